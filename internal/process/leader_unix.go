//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// leader is a child as the system knows it: a process that leads a group. After reap
// it is not used any more; Process.mu sees to that.
type leader struct {
	pid   int
	death death // how its death is noticed; closed by reap
	life  int   // the write end of its life line; closed by reap
	guard guard // what else ends its group when this process ends; closed by reap
}

// startLeader forks and executes. A nil stdout is /dev/null.
//
// There is no Pdeathsig here on purpose: see "The life line" in the package doc.
func startLeader(spec *Spec, path string, stdout, stderr *os.File) (*leader, error) {
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: os.DevNull, Err: err}
	}
	mine := []int{null} // what only the child needs
	defer func() {
		for _, fd := range mine {
			_ = unix.Close(fd)
		}
	}()
	// The pipe's write end is in blocking mode already, so Fd changes nothing.
	fds := []uintptr{uintptr(null), uintptr(null), stderr.Fd()}
	if stdout != nil {
		fds[1] = stdout.Fd()
	}
	for i, file := range spec.Files {
		fd, err := duplicate(file)
		if err != nil {
			return nil, fmt.Errorf("file %d: %w", i, err)
		}
		mine = append(mine, fd)
		fds = append(fds, uintptr(fd))
	}
	end, life, err := rawPipe()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	mine = append(mine, end)
	marker, err := newMarker(len(fds), end)
	fds = append(fds, uintptr(end))

	l := &leader{life: life, guard: noGuard}
	if err == nil {
		l.guard, err = newGuard()
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	if err == nil {
		err = l.death.prepare(attr)
	}
	if err == nil {
		l.pid, err = syscall.ForkExec(path, spec.argv(path), &syscall.ProcAttr{
			Dir: spec.Dir, Env: spec.environ(marker), Files: fds, Sys: attr,
		})
	}
	if err != nil {
		_ = unix.Close(life)
		l.guard.close()
		l.death.close()
		return nil, forkError(spec, err)
	}
	// The child does this as well (HardenChild). Here it is done for the time before
	// that, and for children that never come to it.
	armLifeLine(end, l.pid)
	l.guard.arm(l.pid)
	l.death.open()
	return l, nil
}

// duplicate returns a copy of a file's descriptor. It shares the file's mode, which
// os.File.Fd would set to blocking for all who have it (P5).
func duplicate(file syscall.Conn) (fd int, err error) {
	if file == nil {
		return -1, os.ErrInvalid
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return -1, err
	}
	var dupErr error
	err = conn.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 3)
	})
	return fd, errors.Join(err, os.NewSyscallError("dup", dupErr))
}

// forkError says what the number of an error does not.
func forkError(spec *Spec, err error) error {
	switch {
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w (a limit on the number of processes: RLIMIT_NPROC, pids.max)", err)
	case errors.Is(err, unix.E2BIG):
		return fmt.Errorf("%w (arguments and environment together)", err)
	case spec.Dir != "" && (errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EACCES)):
		if _, statErr := os.Stat(spec.Dir); statErr != nil {
			return fmt.Errorf("working directory: %w", statErr)
		}
	}
	return err
}

// await blocks until the process is dead, and does not reap it. It is false if
// somebody else has.
func (l *leader) await() bool { return l.death.await(l.pid) }

func (l *leader) signal(sig syscall.Signal) error {
	return os.NewSyscallError("kill", l.death.signal(l.pid, sig))
}

// killGroup sends SIGKILL to the whole group. The dead count as members until they are
// reaped, so that the group is there (P1). The leader may have gone to another group.
func (l *leader) killGroup() {
	_ = unix.Kill(-l.pid, unix.SIGKILL)
	_ = l.death.signal(l.pid, unix.SIGKILL)
}

// reap returns how the dead process ended.
func (l *leader) reap() Exit {
	var status unix.WaitStatus
	var usage unix.Rusage
	_, err := unix.Wait4(l.pid, &status, 0, &usage)
	for err == unix.EINTR {
		_, err = unix.Wait4(l.pid, &status, 0, &usage)
	}
	l.death.close()
	_ = unix.Close(l.life)
	l.guard.close()
	if err != nil {
		return Exit{Code: -1}
	}
	exit := Exit{
		Code:       status.ExitStatus(), // -1 after a signal
		UserTime:   time.Duration(usage.Utime.Nano()),
		SystemTime: time.Duration(usage.Stime.Nano()),
		MaxRSS:     int64(usage.Maxrss) * maxRSSUnit,
	}
	if status.Signaled() {
		exit.Signal = status.Signal()
	}
	return exit
}
