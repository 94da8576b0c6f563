//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxRSSUnit is the unit of Rusage.Maxrss.
var maxRSSUnit = map[bool]int64{true: 1, false: 1 << 10}[runtime.GOOS == "darwin" || runtime.GOOS == "ios"]

// death waits for the death of a child with a kqueue, in a thread: unlike wait4 it
// leaves the dead where they are.
type death struct {
	prepared bool
	kq       int // once prepared
}

func (d *death) prepare(*syscall.SysProcAttr) error {
	kq, err := unix.Kqueue()
	if err != nil {
		return os.NewSyscallError("kqueue", err)
	}
	unix.CloseOnExec(kq)
	d.prepared, d.kq = true, kq
	return nil
}

func (*death) open() {}

// await blocks until the process is dead, and does not reap it. If that cannot be
// learnt it returns at once, and the process is killed instead.
func (d *death) await(pid int) bool {
	event := unix.Kevent_t{Fflags: unix.NOTE_EXIT}
	unix.SetKevent(&event, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	_, err := unix.Kevent(d.kq, []unix.Kevent_t{event}, nil, nil)
	for err == unix.EINTR {
		_, err = unix.Kevent(d.kq, []unix.Kevent_t{event}, nil, nil)
	}
	n, events := 0, make([]unix.Kevent_t, 1)
	for n <= 0 && (err == nil || err == unix.EINTR) { // ESRCH: it was dead already
		n, err = unix.Kevent(d.kq, nil, events, nil)
	}
	return true
}

func (*death) signal(pid int, sig syscall.Signal) error { return unix.Kill(pid, sig) }

func (d *death) close() {
	if d.prepared {
		_ = unix.Close(d.kq)
	}
}
