package process

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// killedCode is the exit code of what we have terminated.
const killedCode = 0x4B494C4C

// leader is a child as the system knows it: a process in a job of its own. After reap
// it is not used any more; Process.mu sees to that.
type leader struct {
	pid     int
	process *os.Process
	job     windows.Handle // the only one, so that it ends with this process (P4); closed by reap
}

// startLeader starts a process. A nil stdout is the null device.
func startLeader(spec *Spec, path string, stdout, stderr *os.File) (*leader, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	if stdout == nil {
		stdout = null
	}
	var handles []syscall.Handle
	defer func() {
		for _, h := range handles {
			_ = syscall.CloseHandle(h)
		}
	}()
	for i, file := range spec.Files {
		h, err := inheritable(file)
		if err != nil {
			return nil, fmt.Errorf("file %d: %w", i, err)
		}
		handles = append(handles, h)
	}
	job, err := newJob()
	if err != nil {
		return nil, err
	}
	process, err := os.StartProcess(path, spec.argv(path), &os.ProcAttr{
		Dir:   spec.Dir,
		Env:   spec.environ(newMarker(handles)),
		Files: []*os.File{null, stdout, stderr},
		Sys: &syscall.SysProcAttr{
			CreationFlags:              windows.CREATE_NEW_PROCESS_GROUP,
			AdditionalInheritedHandles: handles,
		},
	})
	if err != nil {
		_ = windows.CloseHandle(job)
		return nil, err
	}
	l := &leader{pid: process.Pid, process: process, job: job}
	if err := l.withHandle(func(h windows.Handle) error {
		return windows.AssignProcessToJobObject(job, h)
	}); err != nil {
		_ = process.Kill()
		l.reap()
		return nil, os.NewSyscallError("AssignProcessToJobObject", err)
	}
	return l, nil
}

// inheritable returns a copy of a file's handle that a child can inherit.
func inheritable(file syscall.Conn) (h syscall.Handle, err error) {
	if file == nil {
		return 0, os.ErrInvalid
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	self, err := syscall.GetCurrentProcess()
	if err != nil {
		return 0, err
	}
	var dupErr error
	if err := conn.Control(func(old uintptr) {
		dupErr = syscall.DuplicateHandle(self, syscall.Handle(old), self, &h, 0, true, syscall.DUPLICATE_SAME_ACCESS)
	}); err != nil {
		return 0, err
	}
	return h, os.NewSyscallError("DuplicateHandle", dupErr)
}

func (l *leader) withHandle(f func(windows.Handle) error) error {
	var inner error
	if err := l.process.WithHandle(func(h uintptr) { inner = f(windows.Handle(h)) }); err != nil {
		return err
	}
	return inner
}

// await blocks until the process is dead.
func (l *leader) await() bool {
	return l.withHandle(func(h windows.Handle) error {
		_, err := windows.WaitForSingleObject(h, windows.INFINITE)
		return err
	}) == nil
}

func (l *leader) signal(sig syscall.Signal) error {
	if sig != syscall.SIGKILL {
		return fmt.Errorf("process: signal %v: %w", sig, errUnsupported)
	}
	return l.withHandle(func(h windows.Handle) error { return windows.TerminateProcess(h, killedCode) })
}

func target(int) (tid int) { return 0 }

// quit does nothing: there is no SIGQUIT.
func (l *leader) quit(int) {}

// killGroup terminates all processes of the job.
func (l *leader) killGroup() { _ = windows.TerminateJobObject(l.job, killedCode) }

// reap returns how the process ended.
func (l *leader) reap() Exit {
	state, err := l.process.Wait()
	_ = windows.CloseHandle(l.job)
	switch {
	case err != nil:
		return Exit{Code: -1}
	case uint32(state.ExitCode()) == killedCode:
		return Exit{Code: -1, Signal: syscall.SIGKILL, UserTime: state.UserTime(), SystemTime: state.SystemTime()}
	}
	return Exit{Code: state.ExitCode(), UserTime: state.UserTime(), SystemTime: state.SystemTime()}
}
