package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Available reports whether this system has shared memory of this kind. Where it
// is false, all that makes a region fails with errors.ErrUnsupported.
const Available = true

// PageSize returns the size of a page in bytes, a power of two.
func PageSize() int { return os.Getpagesize() }

// fixedSize are the seals without which a peer could take memory away (S1).
const fixedSize = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW

// newMemory returns a descriptor of new, unsealed memory of size bytes.
func newMemory(name string, size int) (fd int, err error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err = unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags) // before Linux 6.3
	}
	if err != nil {
		return -1, fmt.Errorf("memfd_create: %w", err)
	}
	if err = unix.Fchmod(fd, 0o600); err != nil {
		err = fmt.Errorf("fchmod: %w", err)
	} else if err = unix.Ftruncate(fd, int64(size)); err != nil {
		err = fmt.Errorf("ftruncate: %w", err)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// seal fixes the size for ever and, for a broadcast, refuses new writers.
func seal(fd int, broadcast bool) error {
	seals := fixedSize | unix.F_SEAL_SEAL
	if broadcast {
		seals |= unix.F_SEAL_FUTURE_WRITE
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("add seals: %w", err)
	}
	return nil
}

// inspect returns the size of the memory behind fd if it can be relied upon (S1),
// and marks fd close-on-exec (S3).
func inspect(fd int, readOnly bool) (size int64, err error) {
	// Only memfds have seals at all. Those of huge pages are another file system,
	// which can run out of pages under a mapping.
	seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if errors.Is(err, unix.EBADF) {
		return 0, err
	}
	var fs unix.Statfs_t
	if err != nil || unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.TMPFS_MAGIC {
		return 0, fmt.Errorf("%w: not a memfd", ErrRefused)
	}
	if seals&fixedSize != fixedSize {
		return 0, fmt.Errorf("%w: its size is not sealed", ErrRefused)
	}
	if !readOnly && seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0 {
		return 0, fmt.Errorf("%w: it is sealed against writing", ErrRefused)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("fstat: %w", err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return 0, fmt.Errorf("set close-on-exec: %w", err)
	}
	return st.Size, nil
}

func duplicate(fd int, name string) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func closeFD(fd int) error { return unix.Close(fd) }

func punch(fd, off, n int) error {
	return allocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
}

// reserve makes pages exist. Populating them spares this process their first fault
// too, but needs Linux 5.14 and a writable mapping.
func reserve(fd int, mem []byte, off, n int) error {
	if n == 0 {
		return nil
	}
	page := PageSize()
	start := off / page * page
	for {
		switch err := unix.Madvise(mem[start:off+n], unix.MADV_POPULATE_WRITE); err {
		case unix.EINTR:
			continue
		case unix.EINVAL, unix.EACCES, unix.EPERM:
			return allocate(fd, 0, off, n)
		case unix.EFAULT:
			return unix.ENOMEM // the touch would have raised SIGBUS
		default:
			return err
		}
	}
}

// allocate calls fallocate in steps: when a signal arrives, the kernel undoes all
// that the call did so far, and the Go runtime sends itself many.
func allocate(fd int, mode uint32, off, n int) error {
	const step = 4 << 20
	for n > 0 {
		part := min(n, step-off%step)
		err := unix.Fallocate(fd, mode, int64(off), int64(part))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		off, n = off+part, n-part
	}
	return nil
}
