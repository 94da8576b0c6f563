package process

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const maxRSSUnit = 1 << 10 // of Rusage.Maxrss

// death waits for the death of a child through its pidfd, which the runtime's poller
// watches, so that no thread waits (P6).
type death struct {
	fd   int      // the pidfd, or -1: the kernel has none
	file *os.File // owns fd
	conn syscall.RawConn
}

// prepare makes the fork return a pidfd.
func (d *death) prepare(attr *syscall.SysProcAttr) error {
	d.fd = -1
	attr.PidFD = &d.fd
	return nil
}

// open is called once, after the fork.
func (d *death) open() {
	if d.fd < 0 {
		return
	}
	// os.NewFile registers with the poller what does not block.
	_ = unix.SetNonblock(d.fd, true)
	d.file = os.NewFile(uintptr(d.fd), "pidfd")
	d.conn, _ = d.file.SyscallConn() // fails for nil only
}

// await blocks until the process is dead, and does not reap it. It is false if
// somebody else has.
func (d *death) await(pid int) bool {
	var err error
	if d.file != nil {
		polled := d.conn.Read(func(fd uintptr) bool {
			var info unix.Siginfo
			err = waitid(unix.P_PIDFD, int(fd), &info, unix.WNOHANG)
			return err != nil || info.Signo != 0
		})
		if polled == nil && err != unix.EINVAL { // P_PIDFD came later than pidfds
			return err == nil
		}
	}
	return waitid(unix.P_PID, pid, nil, 0) == nil
}

func waitid(kind, id int, info *unix.Siginfo, options int) error {
	for {
		err := unix.Waitid(kind, id, info, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return err
		}
	}
}

func (d *death) signal(pid int, sig syscall.Signal) error {
	if d.file == nil {
		return unix.Kill(pid, sig)
	}
	return unix.PidfdSendSignal(d.fd, sig, nil, 0)
}

func (d *death) close() {
	if d.file != nil {
		_ = d.file.Close()
	}
}
