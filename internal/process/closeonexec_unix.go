//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// closeOnExecEach marks the open descriptors from first on, one by one.
func closeOnExecEach(first int) error {
	for _, fd := range openDescriptors(first) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil && err != unix.EBADF {
			return os.NewSyscallError("fcntl", err)
		}
	}
	return nil
}

// openDescriptors returns the descriptors from first on that may be open.
func openDescriptors(first int) []int {
	var fds []int
	if dir, err := os.Open("/dev/fd"); err == nil {
		names, _ := dir.Readdirnames(-1)
		_ = dir.Close()
		for _, name := range names {
			if fd, err := strconv.Atoi(name); err == nil && fd >= first {
				fds = append(fds, fd)
			}
		}
	}
	if len(fds) > 0 {
		return fds // with that of the directory, so a complete listing is not empty
	}
	const most = 1 << 16
	limit := unix.Rlimit{Cur: most}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	for fd := first; fd < most && uint64(fd) < uint64(limit.Cur); fd++ {
		fds = append(fds, fd)
	}
	return fds
}
