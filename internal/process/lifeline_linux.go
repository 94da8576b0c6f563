package process

import (
	"math"

	"golang.org/x/sys/unix"
)

// holdsEnd: the parent keeps a life line's read end too, for P4. The kernel's signal
// belongs to that open file, and the child's copy goes with the child: without another one,
// a child that died just before the write end is closed would leave its group behind, as one does
// that ends because a second pipe, closed a moment earlier, told it that the parent is gone.
const holdsEnd = true

// newLifeLine makes the pipe, with a read end of the lower number. A process that ends
// closes its descriptors from the lowest on, and Linux has released what it closed last first
// since 4.4 (task_work_run): so the write end goes while the read end is still open.
func newLifeLine() (end, life int, err error) {
	end, life, err = rawPipe()
	if err != nil || end < life {
		return end, life, err
	}
	higher, err := unix.FcntlInt(uintptr(life), unix.F_DUPFD_CLOEXEC, end+1)
	_ = unix.Close(life)
	if err != nil {
		_ = unix.Close(end)
	}
	return end, higher, err
}

// armLifeLine makes the kernel send SIGKILL to a process group when the last write end
// of the pipe is closed (P4). It changes the open file, not the descriptor, so
// that one call holds for all who have it, and another one does no harm. Where it is
// refused, by a sandbox, the child's reading thread is on its own.
func armLifeLine(fd, group int) {
	for _, step := range []struct{ command, arg int }{
		{unix.F_SETOWN, -group},
		{unix.F_SETSIG, int(unix.SIGKILL)},
	} {
		if _, err := unix.FcntlInt(uintptr(fd), step.command, step.arg); err != nil {
			return
		}
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_ASYNC)
	}
}

// closeOnExecFrom marks all descriptors from first on (P8).
func closeOnExecFrom(first int) error {
	if unix.CloseRange(uint(first), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return nil
	}
	return closeOnExecEach(first) // before Linux 5.11
}
