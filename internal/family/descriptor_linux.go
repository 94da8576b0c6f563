package family

import (
	"os"

	"golang.org/x/sys/unix"
)

// duplicate returns a descriptor that the caller owns.
func duplicate(file *os.File) (fd int, err error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	if e := conn.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); e != nil {
		return -1, e
	}
	return fd, err
}

func closeDescriptor(fd int) { _ = unix.Close(fd) }
