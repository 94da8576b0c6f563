package process

import (
	"math"

	"golang.org/x/sys/unix"
)

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
