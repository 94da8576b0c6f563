package wake

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// one is what a ring adds to the counter.
var one uint64 = 1

func newEvent() (int, error) {
	return unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
}

// inspectEvent returns an error unless fd is an eventfd in non-blocking mode, and
// marks it close-on-exec.
func inspectEvent(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err
	}
	if flags&unix.O_NONBLOCK == 0 {
		return errors.New("blocks")
	}
	// Without /proc there is no telling.
	if link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && link != "anon_inode:[eventfd]" {
		return fmt.Errorf("%s is not a bell", link)
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// ringEvent adds a ring to the counter. The only failure to expect is that the
// counter is full (EAGAIN): then the bell is ringing already.
func ringEvent(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

// heed is what hearEvent reads into.
type heed struct {
	count [8]byte
	iov   unix.Iovec
}

// hearEvent takes all rings from the counter. It reports false if there are none.
//
// The call is raw, which halves the time of a wake-up, because it cannot block:
// RWF_NOWAIT holds also for a descriptor that a peer has switched to blocking mode.
// Kernels before 5.8 do not know it for eventfds and get an ordinary read.
func hearEvent(fd int, h *heed) bool {
	h.iov.Base = &h.count[0]
	h.iov.SetLen(len(h.count))
	const here = ^uintptr(0)
	_, _, errno := unix.RawSyscall6(unix.SYS_PREADV2, uintptr(fd), uintptr(unsafe.Pointer(&h.iov)), 1, here, here, unix.RWF_NOWAIT)
	if errno == unix.EOPNOTSUPP || errno == unix.ENOSYS {
		_, err := unix.Read(fd, h.count[:])
		return err != unix.EAGAIN && err != unix.EINTR
	}
	return errno != unix.EAGAIN
}

func unblock(fd int) error { return unix.SetNonblock(fd, true) }

func duplicate(fd int) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "bell"), nil
}

func closeFD(fd int) error { return unix.Close(fd) }
