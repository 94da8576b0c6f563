package futures

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors to match with errors.Is.
var (
	// ErrCancelled is the error of a cancelled future, and the cause of the
	// context of a running task that was asked to stop.
	ErrCancelled = errors.New("futures: cancelled")

	// ErrClosed refuses a task because its executor takes no more.
	ErrClosed = errors.New("futures: executor is closed")

	// ErrQueueFull refuses a task because the queue is full and the executor was
	// told not to wait for room.
	ErrQueueFull = errors.New("futures: queue is full")

	// ErrBroken refuses or fails a task because its executor cannot run anything
	// any more. The error that matches it wraps the reason.
	ErrBroken = errors.New("futures: executor is broken")

	// ErrTimeout is the error of a task that outlived its Timeout, and the cause
	// of its context from then on. It matches context.DeadlineExceeded too.
	ErrTimeout error = timeoutSentinel{}

	// ErrInvalidState is returned for a step that the future's state does not
	// allow, such as resolving it twice.
	ErrInvalidState = errors.New("futures: invalid state")

	// ErrNotRegistered is the error of a function that was not made by Define, or
	// whose name the other side does not know.
	ErrNotRegistered = errors.New("futures: function is not registered")
)

type timeoutSentinel struct{}

func (timeoutSentinel) Error() string        { return "futures: task timed out" }
func (timeoutSentinel) Timeout() bool        { return true }
func (timeoutSentinel) Is(target error) bool { return target == context.DeadlineExceeded }

// WaitError says that a wait ended before what it waited for. The futures are
// untouched and can be waited for again.
//
// No task's own error is ever a *WaitError: one that a task returns from a wait
// of its own is hidden from errors.As, so that finding a *WaitError always means
// "I stopped waiting".
type WaitError struct {
	Cause      error // context.Cause of the wait's context, or a *CycleError
	Unfinished int   // futures that were not done
	Total      int   // futures waited for, each counted once
}

func (e *WaitError) Error() string {
	if e.Total <= 1 {
		return fmt.Sprintf("futures: wait ended: %v", e.Cause)
	}
	return fmt.Sprintf("futures: wait ended with %d of %d futures unfinished: %v", e.Unfinished, e.Total, e.Cause)
}

// Unwrap returns Cause.
func (e *WaitError) Unwrap() error { return e.Cause }

// CycleError says that a wait would never end: each of the tasks waits for the
// next one, and the last for the first.
type CycleError struct {
	Tasks []string // names in waiting order; the first is the one that asked
}

func (e *CycleError) Error() string {
	if len(e.Tasks) == 0 {
		return "futures: wait cycle"
	}
	return "futures: wait cycle: " + strings.Join(e.Tasks, " -> ") + " -> " + e.Tasks[0]
}

// PanicError is the error of a task that panicked or called runtime.Goexit.
type PanicError struct {
	Value  any    // what was given to panic; nil after Goexit
	Goexit bool   // the task ended its goroutine with runtime.Goexit
	Stack  []byte // of the goroutine, as runtime/debug.Stack formats it
}

func (e *PanicError) Error() string {
	if e.Goexit {
		return "futures: task called runtime.Goexit"
	}
	return fmt.Sprintf("futures: task panicked: %v", e.Value)
}

// Format prints the stack too for %+v.
func (e *PanicError) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, e.Error())
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, "\n\n%s", e.Stack)
	}
}

// Unwrap returns the panic's value where that is an error.
func (e *PanicError) Unwrap() error {
	if err, ok := e.Value.(error); ok {
		return hideWait(err)
	}
	return nil
}

// CrashError is the error of a task whose worker process died while it ran it.
type CrashError struct {
	PID      int    // 0 if nothing is known of the process: a worker on another machine was lost
	ExitCode int    // -1 when a signal ended the process
	Signal   string // the signal's name, empty when the process exited by itself
	OOM      bool   // it was killed, or ended itself, for want of memory
	Stderr   string // the last 4 KiB that the process wrote to standard error
	Task     string // the function's name
	Attempt  int    // 1 for the first run of the task
	Cause    error  // what is known beyond that; may be nil
}

func (e *CrashError) Error() string {
	var b strings.Builder
	if e.PID == 0 {
		fmt.Fprintf(&b, "futures: worker running %s ", e.Task)
	} else {
		fmt.Fprintf(&b, "futures: worker process %d running %s ", e.PID, e.Task)
	}
	switch {
	case e.PID == 0:
		b.WriteString("was lost")
	case e.OOM:
		b.WriteString("ran out of memory")
	case e.Signal != "":
		fmt.Fprintf(&b, "was ended by %s", e.Signal)
	default:
		fmt.Fprintf(&b, "exited with code %d", e.ExitCode)
	}
	if e.Attempt > 1 {
		fmt.Fprintf(&b, " (attempt %d)", e.Attempt)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	if line := firstLine(e.Stderr); line != "" {
		fmt.Fprintf(&b, ": %s", line)
	}
	return b.String()
}

// Format prints all of Stderr for %+v.
func (e *CrashError) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, e.Error())
	if verb == 'v' && s.Flag('+') && e.Stderr != "" {
		fmt.Fprintf(s, "\n\nstderr of process %d:\n%s", e.PID, e.Stderr)
	}
}

// Unwrap returns Cause.
func (e *CrashError) Unwrap() error { return e.Cause }

// RemoteError is an error that a task returned in another process. It is made of
// what travelled: errors.Is finds the sentinels that both sides know.
type RemoteError struct {
	Type    string // the Go type of the original error
	Message string
	Stack   string // where it was returned or panicked, if known
	Cause   error  // the decoded error, for errors.Is and errors.As; may be nil
}

func (e *RemoteError) Error() string { return e.Message }

// Format prints the remote type and stack too for %+v.
func (e *RemoteError) Format(s fmt.State, verb rune) {
	fmt.Fprint(s, e.Message)
	if verb == 'v' && s.Flag('+') {
		fmt.Fprintf(s, " (%s)", e.Type)
		if e.Stack != "" {
			fmt.Fprintf(s, "\n\nremote stack:\n%s", e.Stack)
		}
	}
}

// Unwrap returns Cause.
func (e *RemoteError) Unwrap() error { return e.Cause }

// cancelledError is ErrCancelled with its reason.
type cancelledError struct{ cause error }

func (e *cancelledError) Error() string        { return fmt.Sprintf("%v: %v", ErrCancelled, e.cause) }
func (e *cancelledError) Is(target error) bool { return target == ErrCancelled }
func (e *cancelledError) Unwrap() error        { return e.cause }

// timeoutError is ErrTimeout with the bound and what the task returned.
type timeoutError struct {
	after time.Duration
	err   error
}

func (e *timeoutError) Error() string {
	return fmt.Sprintf("%v after %v: %v", ErrTimeout, e.after, e.err)
}
func (e *timeoutError) Timeout() bool { return true }
func (e *timeoutError) Is(target error) bool {
	return target == ErrTimeout || target == context.DeadlineExceeded
}
func (e *timeoutError) Unwrap() error { return e.err }

// nestedWaitError hides the *WaitError in what a task returned from errors.As, and
// leaves everything else about it as it was.
type nestedWaitError struct{ err error }

func (e *nestedWaitError) Error() string        { return e.err.Error() }
func (e *nestedWaitError) Is(target error) bool { return errors.Is(e.err, target) }

func (e *nestedWaitError) As(target any) bool {
	if _, wait := target.(**WaitError); wait {
		return false
	}
	return errors.As(e.err, target)
}

// hideWait wraps an error that has a *WaitError in it.
func hideWait(err error) error {
	if _, nested := errors.AsType[*WaitError](err); nested {
		return &nestedWaitError{err}
	}
	return err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
