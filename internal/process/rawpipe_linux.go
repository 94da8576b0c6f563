package process

import "golang.org/x/sys/unix"

// rawPipe makes a pipe of two blocking descriptors that exec closes.
func rawPipe() (r, w int, err error) {
	var p [2]int
	err = unix.Pipe2(p[:], unix.O_CLOEXEC)
	return p[0], p[1], err
}
