//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// newPipe makes a pipe for an output. The read end does not block and is in the
// poller (P6); the write end blocks, as whoever gets it as stdout expects.
func newPipe() (r, w *os.File, err error) {
	rfd, wfd, err := rawPipe()
	if err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	if err := unix.SetNonblock(rfd, true); err != nil {
		_ = unix.Close(rfd)
		_ = unix.Close(wfd)
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(rfd), "output"), os.NewFile(uintptr(wfd), "output"), nil
}

// readNow reads what is there, whatever the deadline, and returns 0 or less if there
// is nothing.
func readNow(r *os.File, buf []byte) (n int) {
	conn, err := r.SyscallConn()
	if err != nil {
		return 0
	}
	_ = conn.Control(func(fd uintptr) { // which leaves n at 0 if r is closed
		n, err = unix.Read(int(fd), buf)
		for err == unix.EINTR {
			n, err = unix.Read(int(fd), buf)
		}
	})
	return n
}
