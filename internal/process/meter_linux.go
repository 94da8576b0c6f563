package process

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const canMeter = true

var pageSize = int64(os.Getpagesize())

// meter reads the memory of one process. Its file is opened by the first read, while
// the process cannot have been reaped, and stays with this process whatever becomes
// of its number.
type meter struct {
	open  bool
	statm int // the descriptor of /proc/PID/statm, while open
	buf   [128]byte
}

// read returns resident less shared, in bytes. Only its first call allocates.
func (m *meter) read(pid int) (int64, error) {
	if !m.open {
		fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/statm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return 0, fmt.Errorf("process: memory of %d: %w", pid, err)
		}
		m.open, m.statm = true, fd
	}
	n, err := unix.Pread(m.statm, m.buf[:], 0)
	if err != nil {
		return 0, fmt.Errorf("process: memory of %d: %w", pid, err)
	}
	_, rest := number(m.buf[:n]) // size
	resident, rest := number(rest)
	shared, _ := number(rest)
	return (resident - shared) * pageSize, nil
}

func (m *meter) close() {
	if m.open {
		_ = unix.Close(m.statm)
		m.open = false
	}
}

// number parses the decimal number at the beginning, and skips what ends it.
func number(s []byte) (n int64, rest []byte) {
	for i, c := range s {
		if c < '0' || c > '9' {
			return n, s[i+1:]
		}
		n = 10*n + int64(c-'0')
	}
	return n, nil
}
