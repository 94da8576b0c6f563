package process

import (
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// guard is a pipe that only this process has, armed as the life line is. The signal of a
// life line belongs to the open file of its read end, and that goes with the child: one that
// dies before the write end is released, because of another pipe that was released a moment
// earlier, would leave its group behind. Here both ends stay until this process ends.
type guard struct{ r, w int }

var noGuard = guard{-1, -1}

// newGuard makes the pipe, with the write end of the higher number. A process that ends
// closes its descriptors from the lowest on, and Linux has released last what it closed
// first since 4.4 (task_work_run): so the write end goes while the read end is there.
func newGuard() (guard, error) {
	r, w, err := rawPipe()
	if err != nil {
		return noGuard, os.NewSyscallError("pipe", err)
	}
	if w < r {
		higher, err := unix.FcntlInt(uintptr(w), unix.F_DUPFD_CLOEXEC, r+1)
		_ = unix.Close(w)
		if err != nil {
			_ = unix.Close(r)
			return noGuard, os.NewSyscallError("dup", err)
		}
		w = higher
	}
	return guard{r, w}, nil
}

func (g guard) arm(group int) { armLifeLine(g.r, group) }

// close sends no signal: the read end goes first.
func (g guard) close() {
	if g.r >= 0 {
		_ = unix.Close(g.r)
		_ = unix.Close(g.w)
	}
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
