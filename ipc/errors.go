package ipc

import (
	"errors"
	"fmt"

	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/family"
)

// Errors of this package. They are wrapped by those that methods return, and errors.Is
// finds them also after they have travelled to another process.
var (
	// ErrClosed: the object was closed, in this process or another.
	ErrClosed = sentinel("ipc.ErrClosed", "closed")
	// ErrGone: the handle leads to an object that is not there any more.
	ErrGone = sentinel("ipc.ErrGone", "the object is gone")
	// ErrForeign: the handle leads to an object in memory that this process does not have.
	ErrForeign = sentinel("ipc.ErrForeign", "the object is in memory that this process does not share")
	// ErrMismatch: the handle is that of another kind of object, or of another type of values.
	ErrMismatch = sentinel("ipc.ErrMismatch", "the object is of another kind or type")
	// ErrCorrupt: the shared memory holds what no correct process writes.
	ErrCorrupt = sentinel("ipc.ErrCorrupt", "shared memory is corrupt")
	// ErrFull: there is no room in the queue now.
	ErrFull = sentinel("ipc.ErrFull", "full")
	// ErrEmpty: there is nothing in the queue now.
	ErrEmpty = sentinel("ipc.ErrEmpty", "empty")
	// ErrTooLarge: what was to be put or sent can never fit.
	ErrTooLarge = sentinel("ipc.ErrTooLarge", "too large")
	// ErrTooManyDone: TaskDone was called more often than there were items.
	ErrTooManyDone = sentinel("ipc.ErrTooManyDone", "marked done more often than there were items")
	// ErrOwnerDied: the lock is the caller's, and its last owner died with it.
	ErrOwnerDied = sentinel("ipc.ErrOwnerDied", "the last owner died with the lock")
	// ErrNotLocked: the lock is not the caller's to unlock.
	ErrNotLocked = sentinel("ipc.ErrNotLocked", "not locked by this process")
	// ErrTooManyReleased: more permits were to be released than are acquired.
	ErrTooManyReleased = sentinel("ipc.ErrTooManyReleased", "more permits released than are acquired")
	// ErrBrokenBarrier: a party of the barrier has given up or died, or Abort or Reset was
	// called.
	ErrBrokenBarrier = sentinel("ipc.ErrBrokenBarrier", "the barrier is broken")
	// ErrPeerClosed: no process has the other end of the pipe. It comes with syscall.EPIPE.
	ErrPeerClosed = sentinel("ipc.ErrPeerClosed", "no process has the other end of the pipe")
	// ErrDirection: this end of the pipe is for the other direction.
	ErrDirection = sentinel("ipc.ErrDirection", "this end of the pipe is for the other direction")
)

func sentinel(name, text string) error {
	err := errors.New("ipc: " + text)
	codec.RegisterSentinel(name, err)
	return err
}

// fail makes the error of a method. What package family says is said in this package's
// words.
func fail(method string, err error) error {
	if err == nil {
		return nil
	}
	for _, pair := range [...][2]error{
		{family.ErrGone, ErrGone}, {family.ErrForeign, ErrForeign}, {family.ErrCorrupt, ErrCorrupt},
		{family.ErrEnded, ErrClosed}, {family.ErrNotOwner, ErrNotLocked},
	} {
		if errors.Is(err, pair[0]) {
			return fmt.Errorf("ipc: %s: %w (%w)", method, pair[1], err)
		}
	}
	return fmt.Errorf("ipc: %s: %w", method, err)
}
