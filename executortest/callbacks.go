package executortest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"

	"github.com/futures-go/futures"
)

// callbacks holds the rows of group F about those who wait for a task's future, or
// have asked to be called.
func (s *suite) callbacks(t *testing.T) {
	// seen collects what a callback sees.
	type seen struct {
		value int
		err   error
		state futures.State
	}
	see := func(into chan<- seen) func(*futures.Future[int]) {
		return func(f *futures.Future[int]) {
			v, err, _ := f.TryResult()
			into <- seen{v, err, f.State()}
		}
	}
	s.each(t, "F-01 F-02 F-03 callbacks see the outcome", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		calls := make(chan seen, 4)
		good := meet.Submit(ctx, ex, m.place("good", 4))
		good.OnDone(see(calls))
		m.release("good")
		want(t, "after success", <-calls, seen{4, nil, futures.Succeeded})

		stopped := meet.Submit(ctx, ex, m.place("stopped", 4))
		stopped.OnDone(see(calls))
		m.await("stopped")
		stopped.Cancel()
		if got := <-calls; got.state != futures.Cancelled || !errors.Is(got.err, futures.ErrCancelled) {
			t.Errorf("after Cancel of a running task: %v", got)
		}

		m.release("a", "b")
		bad := refuse.Submit(ctx, ex, -1)
		bad.OnDone(see(calls))
		if got := <-calls; got.value != 0 || !errors.Is(got.err, fs.ErrInvalid) || got.state != futures.Failed {
			t.Errorf("after failure: %v", got)
		}
	})
	s.each(t, "F-03 callbacks have run when Cancel of a queued task returns", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		meet.Submit(ctx, ex, m.place("hold", 1))
		m.await("hold")
		queued := echo.Submit(ctx, ex, 1)
		calls := make(chan seen, 1)
		queued.OnDone(see(calls))
		want(t, "Cancel", queued.Cancel(), true)
		want(t, "called", len(calls), 1)
		m.release("hold")
	})
	s.each(t, "F-04 F-08 a callback that panics stops nothing", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		calls := make(chan seen, 1)
		f.OnDone(func(*futures.Future[int]) { panic("expected: a callback of the suite") })
		f.OnDone(see(calls))
		m.release("a")
		want(t, "the next callback", <-calls, seen{1, nil, futures.Succeeded})
		f.OnDone(func(*futures.Future[int]) { panic("expected: a late callback of the suite") })
		if v, err := echo.Submit(ctx, ex, 2).Result(ctx); v != 2 || err != nil {
			t.Errorf("the next task: %v, %v", v, err)
		}
	})
	s.each(t, "F-05 F-06 F-07 late callbacks are called at once", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		cancelled := echo.Submit(ctx, ex, 1)
		m.await("hold")
		cancelled.Cancel()
		bad := refuse.Submit(ctx, ex, -1)
		m.release("hold")
		futures.Wait(ctx, futures.AllCompleted, hold, bad)
		for _, f := range []intFuture{hold, cancelled, bad} {
			calls := make(chan seen, 1)
			f.OnDone(see(calls))
			want(t, "called", len(calls), 1)
			want(t, "state", (<-calls).state, f.State())
		}
	})
	s.each(t, "F-25 in the order they were added", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		order := make(chan int, 10)
		for i := range cap(order) {
			f.OnDone(func(*futures.Future[int]) { order <- i })
		}
		m.release("a")
		for i := range cap(order) {
			want(t, "called", <-order, i)
		}
	})
	s.each(t, "F-26 who waits is released first", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		var waiters sync.WaitGroup
		released := make(chan struct{})
		called := make(chan struct{})
		f.OnDone(func(f *futures.Future[int]) {
			f.Result(ctx)
			<-released // they do not wait for us
			close(called)
		})
		for range 8 {
			waiters.Go(func() { f.Result(ctx) })
			waiters.Go(func() { <-f.Done() })
		}
		m.release("a")
		waiters.Wait()
		close(released)
		<-called
	})
	s.each(t, "F-16 F-17 F-19 many wait, some give up", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		good, bad, stopped := meet.Submit(ctx, ex, m.place("good", 1)), fail.Submit(ctx, ex, m.place("bad", 2)), meet.Submit(ctx, ex, m.place("stopped", 3))
		outcomes := map[intFuture]func(v int, err error) bool{
			good:    func(v int, err error) bool { return v == 1 && err == nil },
			bad:     func(v int, err error) bool { return v == 0 && errors.Is(err, fs.ErrInvalid) },
			stopped: func(v int, err error) bool { return v == 0 && errors.Is(err, futures.ErrCancelled) },
		}
		within, giveUp := context.WithCancel(ctx)
		var patient, impatient sync.WaitGroup
		for f, right := range outcomes {
			for range 5 {
				patient.Go(func() {
					if v, err := f.Result(ctx); !right(v, err) {
						t.Errorf("%v: %v, %v", f, v, err)
					}
				})
				impatient.Go(func() {
					if _, err := f.Result(within); !errors.As(err, new(*futures.WaitError)) {
						t.Errorf("%v: who gave up got %v", f, err)
					}
				})
			}
		}
		for _, name := range []string{"good", "bad", "stopped"} {
			m.await(name)
		}
		giveUp()
		impatient.Wait()
		m.release("good", "bad")
		stopped.Cancel()
		patient.Wait()
	})
	s.each(t, "F-22 one outcome for all readers", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		good, bad := meet.Submit(ctx, ex, m.place("good", 1)), fail.Submit(ctx, ex, m.place("bad", 2))
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for done := false; !done; {
					v, err, first := good.TryResult()
					w, fault, second := bad.TryResult()
					if first && (v != 1 || err != nil) || !first && (v != 0 || err != nil) {
						t.Errorf("%v, %v, %v", v, err, first)
					}
					if second && (w != 0 || !errors.Is(fault, fs.ErrInvalid)) || !second && (w != 0 || fault != nil) {
						t.Errorf("%v, %v, %v", w, fault, second)
					}
					done = first && second
				}
			})
		}
		m.release("good", "bad")
		readers.Wait()
	})
	s.each(t, "F-24 Cancel beside completion", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for i := range 200 {
			f := echo.Submit(ctx, ex, i)
			cancelled := make(chan bool)
			go func() { cancelled <- f.Cancel() }()
			v, err := f.Result(ctx)
			switch {
			case err == nil:
				want(t, "value", v, i)
				want(t, "state", f.State(), futures.Succeeded)
			case errors.Is(err, futures.ErrCancelled):
				want(t, "state", f.State(), futures.Cancelled)
			default:
				t.Errorf("got %v, %v", v, err)
			}
			if <-cancelled {
				want(t, "state when Cancel is true", f.State(), futures.Cancelled)
			}
		}
	})
	s.each(t, "AC-01 several iterate over the same futures", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var fs []intFuture
		for i := range 100 {
			fs = append(fs, refuse.Submit(ctx, ex, 50-i))
		}
		var orders [4][]intFuture
		var wg sync.WaitGroup
		for i := range orders {
			wg.Go(func() {
				orders[i] = slices.Collect(futures.AsCompleted(ctx, fs...))
			})
		}
		wg.Wait()
		for i, order := range orders {
			times := make(map[intFuture]int)
			for _, f := range order {
				times[f]++
			}
			if len(order) != len(fs) || len(times) != len(fs) {
				t.Errorf("%d: %d yielded, %d different", i, len(order), len(times))
			}
		}
		// By now all are done, so there is one order.
		want(t, "the same order", slices.Equal(slices.Collect(futures.AsCompleted(ctx, fs...)), slices.Collect(futures.AsCompleted(ctx, fs...))), true)
	})
	s.each(t, "AC-09 a future that is not done keeps no other", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		collected := make(chan struct{})
		func() {
			quick := grow.Submit(ctx, ex, 1)
			for f := range futures.AsCompleted[futures.Handle](ctx, hold, quick) {
				want(t, "first", f, futures.Handle(quick))
				break
			}
			v, _, _ := quick.TryResult()
			cleanup(v, collected)
		}()
		collect(t, collected)
		m.release("hold")
		hold.Result(ctx)
	})
}
