package futures_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// inline is the smallest executor: Execute runs the task in a goroutine of its
// own and waits for it. A panic that gets out of the task is kept, so that a test
// can tell about it.
type inline struct {
	task    *futures.Task // the last one
	crashed any
}

func (x *inline) Execute(_ context.Context, t *futures.Task) error {
	x.task = t
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { x.crashed = recover() }()
		t.Run(3)
	}()
	<-done
	return nil
}

func (*inline) RunsLocally()                   {}
func (*inline) Close() error                   { return nil }
func (*inline) Shutdown(context.Context) error { return nil }

// keeper is an executor that keeps its tasks for the test to run.
type keeper struct {
	inline
	cancelled []bool // what Host.Cancelled was told
}

func (k *keeper) Execute(_ context.Context, t *futures.Task) error {
	k.task = t
	t.Accept(k)
	return nil
}

func (k *keeper) Cancelled(_ *futures.Task, started bool) { k.cancelled = append(k.cancelled, started) }
func (k *keeper) Block(*futures.Task)                     {}
func (k *keeper) Unblock(*futures.Task)                   {}

// within fails the test if fn does not return. It reports whether it did.
func within(t *testing.T, what string, fn func()) bool {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
		return true
	case <-time.After(10 * time.Second):
		t.Errorf("%s does not return", what)
		return false
	}
}

// endedContext returns a context that has ended.
func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestTaskOfAnExecutor: what an executor sees of a task.
func TestTaskOfAnExecutor(t *testing.T) {
	ctx := context.Background()
	t.Run("options", func(t *testing.T) {
		x := new(keeper)
		policy := futures.RetryPolicy{Max: 2, Backoff: time.Second}
		f := twice.Submit(ctx, x, 21, futures.Priority(-4), futures.Timeout(time.Minute), futures.Retry(policy),
			futures.Label("a", "1"), futures.Label("b", "2"), futures.Label("a", "3"))
		task := x.task
		if task.Priority() != -4 || task.Timeout() != time.Minute || task.Handle() != futures.Handle(f) || task.Name() != "futures_test.twice" {
			t.Errorf("priority %d, timeout %v, handle %v, name %q", task.Priority(), task.Timeout(), task.Handle(), task.Name())
		}
		if got, ok := task.Retry(); !ok || got.Max != 2 || got.Backoff != time.Second {
			t.Errorf("retry %+v, %v", got, ok)
		}
		want := []futures.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "a", Value: "3"}}
		if got := task.Labels(); len(got) != 3 || [3]futures.Tag(got) != [3]futures.Tag(want) {
			t.Errorf("labels %v", got)
		}
		if in, ok := task.Input().(*int); !ok || *in != 21 {
			t.Errorf("input %v", task.Input())
		}
		if task.Attempt() != 0 || task.State() != futures.Pending {
			t.Errorf("attempt %d in state %v", task.Attempt(), task.State())
		}
		task.Run(0)
		if v, err, done := f.TryResult(); v != 42 || err != nil || !done {
			t.Errorf("got %v, %v, %v", v, err, done)
		}
	})
	t.Run("none", func(t *testing.T) {
		x := new(inline)
		f := futures.Submit(ctx, x, one)
		if _, ok := x.task.Retry(); ok || x.task.Priority() != 0 || x.task.Timeout() != 0 || x.task.Labels() != nil || x.task.Input() != nil {
			t.Errorf("a task without options has some")
		}
		if f.State() != futures.Succeeded || x.task.Worker() != 3 || x.task.Attempt() != 1 {
			t.Errorf("%v by worker %d in attempt %d", f, x.task.Worker(), x.task.Attempt())
		}
	})
	t.Run("run elsewhere", func(t *testing.T) {
		x := new(keeper)
		f := twice.Submit(ctx, x, 1)
		if !x.task.Start(1) || f.State() != futures.Running || x.task.Start(2) {
			t.Errorf("state %v", f.State())
		}
		*x.task.Output().(*int) = 7
		x.task.Succeed()
		if v, err, _ := f.TryResult(); v != 7 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("failed elsewhere, again and for good", func(t *testing.T) {
		x := new(keeper)
		f := twice.Submit(ctx, x, 5, futures.Retry(futures.RetryPolicy{Max: 2, Backoff: time.Second}))
		for attempt, want := range []time.Duration{time.Second, 2 * time.Second} {
			x.task.Start(0)
			delay, again := x.task.Fail(fs.ErrExist)
			if !again || delay != want || f.State() != futures.Pending {
				t.Errorf("attempt %d: again %v after %v, state %v", attempt+1, again, delay, f.State())
			}
			if in := *x.task.Input().(*int); in != 5 {
				t.Errorf("attempt %d: the input is %d", attempt+1, in)
			}
		}
		x.task.Start(0)
		if _, again := x.task.Fail(fs.ErrExist); again || f.State() != futures.Failed || !errors.Is(f.Err(), fs.ErrExist) {
			t.Errorf("again %v, state %v, error %v", again, f.State(), f.Err())
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		x := new(keeper)
		queued := futures.Submit(ctx, x, one)
		if queued.Cancel(); x.task.Start(0) || x.task.Refuse(fs.ErrExist) {
			t.Error("a cancelled task can be started or refused")
		}
		if n := x.task.Attempt(); n != 0 {
			t.Errorf("%d attempts of a task that was never started", n)
		}
		running := futures.Submit(ctx, x, one)
		x.task.Start(0)
		for range 2 {
			if running.Cancel() || x.task.Refuse(fs.ErrExist) {
				t.Error("a running task is cancelled or refused")
			}
		}
		if len(x.cancelled) != 2 || x.cancelled[0] || !x.cancelled[1] {
			t.Errorf("the host was told %v", x.cancelled)
		}
		x.task.Fail(context.Canceled)
		if running.State() != futures.Cancelled {
			t.Errorf("state %v", running.State())
		}
	})
	t.Run("refused", func(t *testing.T) {
		x := new(keeper)
		f := futures.Submit(ctx, x, one)
		if !x.task.Refuse(fs.ErrPermission) || x.task.Refuse(fs.ErrExist) || f.State() != futures.Failed || !errors.Is(f.Err(), fs.ErrPermission) {
			t.Errorf("%v: %v", f, f.Err())
		}
		f = futures.Submit(ctx, x, one)
		if x.task.Refuse(futures.ErrCancelled); f.State() != futures.Cancelled {
			t.Errorf("%v", f)
		}
	})
	t.Run("its context ended before it was started", func(t *testing.T) {
		x := new(keeper)
		mine := errors.New("mine")
		parent, cancel := context.WithCancelCause(ctx)
		f := futures.Submit(parent, x, one)
		cancel(mine)
		if x.task.Start(0) || f.State() != futures.Cancelled || !errors.Is(f.Err(), mine) || !errors.Is(f.Err(), futures.ErrCancelled) {
			t.Errorf("%v: %v", f, f.Err())
		}
	})
}
