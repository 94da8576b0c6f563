package executortest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// races holds what must be true when an executor is closed, cancelled and
// submitted to at once.
func (s *suite) races(t *testing.T) {
	s.each(t, "SD-01 submit beside close", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		s.closeBeside(t, ctx, ex, func() {
			if err := ex.Close(); err != nil {
				t.Error(err)
			}
		}, false)
	})
	s.each(t, "SD-12 submit beside shutdown", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		s.closeBeside(t, ctx, ex, func() {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			ex.Shutdown(ended)
			ex.Close()
		}, true)
	})
	t.Run("SD-01 close refuses who waits for room", func(t *testing.T) {
		ctx := t.Context()
		ex := s.New(t, Options{Workers: 1, Queue: 1})
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		m.await("hold")
		queued := echo.Submit(ctx, ex, 2)
		results := make(chan intFuture)
		for range 3 {
			go func() { results <- echo.Submit(ctx, ex, 3) }()
		}
		closed := make(chan error)
		go func() { closed <- ex.Close() }()
		for range 3 {
			if f := <-results; f.State() != futures.Failed || !errors.Is(f.Err(), futures.ErrClosed) {
				t.Errorf("%v: %v", f, f.Err())
			}
		}
		m.release("hold")
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if _, err := futures.Gather(ctx, hold, queued); err != nil {
			t.Errorf("what was accepted: %v", err)
		}
	})
	s.each(t, "SD-05 who waits is told of a shutdown", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		fs := []intFuture{meet.Submit(ctx, ex, m.place("a", 1)), echo.Submit(ctx, ex, 1), echo.Submit(ctx, ex, 2)}
		m.await("a")
		var waiters sync.WaitGroup
		waiters.Go(func() {
			if done, _, err := futures.Wait(ctx, futures.AllCompleted, fs...); len(done) != len(fs) || err != nil {
				t.Errorf("Wait: %d done, %v", len(done), err)
			}
		})
		waiters.Go(func() {
			n := 0
			for f := range futures.AsCompleted(ctx, fs...) {
				n++
				want(t, "state", f.State(), futures.Cancelled)
			}
			want(t, "AsCompleted yielded", n, len(fs))
		})
		waiters.Go(func() {
			if _, err := futures.Gather(ctx, fs...); !errors.Is(err, futures.ErrCancelled) {
				t.Errorf("Gather: %v", err)
			}
		})
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := ex.Shutdown(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		waiters.Wait()
	})
	s.each(t, "SD-04 shutdown in time is close", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var fs []intFuture
		for i := range 20 {
			fs = append(fs, echo.Submit(ctx, ex, i))
		}
		if err := ex.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		for i, f := range fs {
			if v, err, done := f.TryResult(); v != i || err != nil || !done {
				t.Errorf("%d: %v, %v, %v", i, v, err, done)
			}
		}
	})
	t.Run("SD-19 opened and closed again and again", func(t *testing.T) {
		for i := range 20 {
			ex := s.New(t, Options{Workers: 1 + i%3, Queue: 4})
			var wg sync.WaitGroup
			for range i % 4 {
				wg.Go(func() { echo.Submit(t.Context(), ex, i) })
			}
			wg.Go(func() { ex.Close() })
			wg.Wait()
			if err := ex.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
	s.each(t, "TASK cancelled in the queue by the hundred", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		meet.Submit(ctx, ex, m.place("hold", 1))
		m.await("hold")
		var kept []intFuture
		for i := range 3000 {
			f := echo.Submit(ctx, ex, i)
			if i%100 == 0 {
				kept = append(kept, f)
			} else if !f.Cancel() {
				t.Fatalf("%d is not cancelled: %v", i, f)
			}
		}
		m.release("hold")
		i := 0
		for f := range futures.AsCompleted(ctx, kept...) {
			v, err := f.Result(ctx)
			if v != 100*i || err != nil {
				t.Errorf("%d: %v, %v", i, v, err)
			}
			i++
		}
	})
	s.each(t, "INSPECT figures are exact at rest", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		inspector, ok := ex.(interface{ Inspect() inspect.Snapshot })
		if !ok {
			t.Skip("the executor cannot be inspected")
		}
		m := newMeeting(t)
		for i := range 3 {
			refuse.Submit(ctx, ex, i-1).Result(ctx)
		}
		running := []intFuture{meet.Submit(ctx, ex, m.place("a", 1)), meet.Submit(ctx, ex, m.place("b", 2))}
		m.await("a")
		m.await("b")
		queued := echo.Submit(ctx, ex, 1)
		echo.Submit(ctx, ex, 1).Cancel()
		check := func(what string, running, queued int, closed bool) {
			t.Helper()
			snapshot := inspector.Inspect()
			if snapshot.Running != running || snapshot.Queued != queued || snapshot.Closed != closed || snapshot.Limit != 2 || snapshot.Blocked+snapshot.Waiting+snapshot.Delayed != 0 {
				t.Errorf("%s: %+v", what, snapshot)
			}
		}
		check("two run and one is queued", 2, 1, false)
		running[0].Cancel()
		m.release("b")
		futures.Wait(ctx, futures.AllCompleted, append(running, queued)...)
		if err := ex.Close(); err != nil {
			t.Error(err)
		}
		check("closed", 0, 0, true)
		for name, f := range map[string]inspect.Function{
			"executortest.refuse": {Succeeded: 2, Failed: 1},
			"executortest.meet":   {Succeeded: 1, Cancelled: 1},
			"executortest.echo":   {Succeeded: 1},
		} {
			got := inspector.Inspect().Functions[name]
			if got.Succeeded != f.Succeeded || got.Failed != f.Failed || got.Cancelled != f.Cancelled {
				t.Errorf("%s: %+v, want %+v", name, got, f)
			}
		}
	})
}

// closeBeside submits from several goroutines while stop closes the executor, and
// checks that everybody gets an answer.
func (s *suite) closeBeside(t *testing.T, ctx context.Context, ex futures.Executor, stop func(), cancels bool) {
	const submitters, each = 4, 50
	var wg sync.WaitGroup
	var fs [submitters][each]intFuture
	halfway := make(chan struct{}, submitters)
	for i := range submitters {
		wg.Go(func() {
			for j := range each {
				if j == each/2 {
					halfway <- struct{}{}
				}
				fs[i][j] = square.Submit(ctx, ex, j)
			}
		})
	}
	<-halfway
	stop()
	wg.Wait()
	for i := range fs {
		for j, f := range fs[i] {
			v, err, done := f.TryResult()
			switch {
			case !done:
				t.Errorf("%v in a closed executor", f)
			case err == nil:
				want(t, "value", v, j*j)
			case errors.Is(err, futures.ErrClosed):
			case cancels && errors.Is(err, futures.ErrCancelled):
			default:
				t.Errorf("got %v, %v", v, err)
			}
		}
	}
}
