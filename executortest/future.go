package executortest

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/futures-go/futures"
)

// future holds those rows of group F that are about a future that an executor
// resolves. The others are about promises and stand beside package futures.
func (s *suite) future(t *testing.T) {
	s.each(t, "F-11 cancel by state", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		running := meet.Submit(ctx, ex, m.place("a", 1))
		pending := meet.Submit(ctx, ex, m.place("b", 2))
		m.await("a")
		want(t, "pending", pending.Cancel(), true)
		want(t, "cancelled", pending.Cancel(), true)
		want(t, "state", pending.State(), futures.Cancelled)
		finished := echo.Submit(ctx, ex, 1)
		failed := refuse.Submit(ctx, ex, -1)
		m.release("a")
		if v, err := running.Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		futures.Wait(ctx, futures.AllCompleted, finished, failed)
		want(t, "succeeded", finished.Cancel(), false)
		want(t, "failed", failed.Cancel(), false)
		want(t, "state", finished.State(), futures.Succeeded)
		want(t, "state", failed.State(), futures.Failed)
		want(t, "the cancelled one ran", m.came("b"), false)
	})
	s.each(t, "F-11 cancel of a running task ends its context", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		m.await("a")
		want(t, "Cancel", f.Cancel(), false)
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
			t.Errorf("got %v", err)
		}
		want(t, "state", f.State(), futures.Cancelled)
		want(t, "Cancel afterwards", f.Cancel(), true)
	})
	s.each(t, "F-13 done in each state", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		running := meet.Submit(ctx, ex, m.place("a", 1))
		pending := echo.Submit(ctx, ex, 2)
		m.await("a")
		for _, f := range []*futures.Future[int]{running, pending} {
			select {
			case <-f.Done():
				t.Errorf("%v is done", f)
			default:
			}
		}
		m.release("a")
		<-running.Done()
		<-pending.Done()
		want(t, "done", running.State().Done() && pending.State().Done(), true)
	})
	s.each(t, "F-14 running", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		running := meet.Submit(ctx, ex, m.place("a", 1))
		pending := meet.Submit(ctx, ex, m.place("b", 1))
		m.await("a")
		want(t, "first", running.State(), futures.Running)
		want(t, "second", pending.State(), futures.Pending)
		m.release("a", "b")
		pending.Result(ctx)
		want(t, "at the end", running.State(), futures.Succeeded)
	})
	s.each(t, "F-15 result without waiting", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		running := meet.Submit(ctx, ex, m.place("a", 1))
		m.await("a")
		var wait *futures.WaitError
		if _, err := running.Result(ended); !errors.As(err, &wait) || !errors.Is(err, context.Canceled) {
			t.Errorf("running: %v", err)
		}
		m.release("a")
		if v, err := running.Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if v, err := running.Result(ended); v != 1 || err != nil {
			t.Errorf("with an ended context: %v, %v", v, err)
		}
		failed := refuse.Submit(ctx, ex, -1)
		<-failed.Done()
		if _, err := failed.Result(ended); !errors.Is(err, fs.ErrInvalid) || errors.As(err, &wait) {
			t.Errorf("failed: %v", err)
		}
	})
	s.each(t, "F-18 the task's own error is not the wait's", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		want(t, "before", f.Err(), nil)
		m.release("a")
		f.Result(ctx)
		want(t, "after success", f.Err(), nil)
		g := refuse.Submit(ctx, ex, -3)
		v, err := g.Result(ctx)
		if err == nil || !strings.Contains(err.Error(), "refused -3") || !errors.Is(g.Err(), fs.ErrInvalid) {
			t.Errorf("got %v and %v", err, g.Err())
		}
		want(t, "value beside an error", v, 0)
	})
	s.each(t, "F-28 a timeout of the task's own is no wait error", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f := misbehave.Submit(ctx, ex, "deadline of its own")
		var wait *futures.WaitError
		if _, err := f.Result(ctx); errors.As(err, &wait) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, futures.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		want(t, "state", f.State(), futures.Failed)
	})
	s.each(t, "TASK panic", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for _, how := range []string{"panic", "panic with a number", "panic with nil", "panic with an error", "goexit"} {
			f := misbehave.Submit(ctx, ex, how)
			_, err := f.Result(ctx)
			if _, ok := errors.AsType[*futures.PanicError](err); !ok {
				t.Errorf("%s: %T %v", how, err, err)
			}
			if how == "panic with an error" && !errors.Is(err, fs.ErrExist) {
				t.Errorf("%s: %v", how, err)
			}
			want(t, how, f.State(), futures.Failed)
		}
		if v, err := echo.Submit(ctx, ex, 5).Result(ctx); v != 5 || err != nil {
			t.Errorf("afterwards: %v, %v", v, err)
		}
	})
	s.each(t, "TASK typed nil error", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f := misbehave.Submit(ctx, ex, "typed nil")
		<-f.Done()
		want(t, "state", f.State(), futures.Failed)
		_ = f.String()
	})
}
