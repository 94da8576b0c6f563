package futures

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// holding is an executor that keeps the task it is given.
type holding struct{ task *Task }

func (h *holding) Execute(_ context.Context, t *Task) error { h.task = t; return nil }
func (*holding) Close() error                               { return nil }
func (*holding) Shutdown(context.Context) error             { return nil }

var concluded = Define("futures.concluded", func(context.Context, int) (int, error) { return 0, nil })

// TestConclude: there is no other attempt, whatever the policy says.
func TestConclude(t *testing.T) {
	mine := errors.New("mine")
	for _, c := range []struct {
		err    error
		cancel bool
		want   State
	}{{nil, false, Succeeded}, {mine, false, Failed}, {ErrCancelled, false, Failed}, {ErrCancelled, true, Cancelled}} {
		var h holding
		asked := 0
		f := concluded.Submit(t.Context(), &h, 1, Retry(RetryPolicy{Max: 3, If: func(error) bool { asked++; return true }}))
		if TaskOf(f) != h.task {
			t.Error("TaskOf returns another task")
		}
		h.task.Started(0)
		if c.cancel {
			f.Cancel()
		}
		h.task.Conclude(c.err)
		h.task.Publish()
		if f.State() != c.want || !errors.Is(f.Err(), c.err) || asked != 0 {
			t.Errorf("concluded with %v: %v, %v, policy asked %d times", c.err, f, f.Err(), asked)
		}
	}
}

func TestCrashErrorOfALostWorker(t *testing.T) {
	e := &CrashError{ExitCode: -1, Task: "f", Attempt: 2, Cause: errors.New("its lease has ended")}
	if got := e.Error(); !strings.Contains(got, "worker running f was lost (attempt 2): its lease has ended") {
		t.Errorf("got %q", got)
	}
}
