package executortest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

func (s *suite) submit(t *testing.T) {
	s.each(t, "EX-01 submit returns a future with the call's value", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		if v, err := square.Submit(ctx, ex, 12).Result(ctx); v != 144 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("EX-19 sizes", func(t *testing.T) {
		// A negative size is refused by each constructor in its own way, tested
		// beside it; a default is a size of at least one.
		if sizer, ok := s.New(t, Options{}).(interface {
			futures.Sizer
			futures.Executor
		}); ok {
			if n := sizer.Size(); n < 1 {
				t.Errorf("default size %d", n)
			}
			sizer.Close()
		}
	})
	t.Run("EX-25 leaving a block closes", func(t *testing.T) {
		ctx := t.Context()
		var f *futures.Future[int]
		func() {
			ex := s.New(t, Options{Workers: 2, Queue: 100})
			defer func() { recover() }()
			defer ex.Close()
			f = nap.Submit(ctx, ex, 5)
			panic("in the block")
		}()
		if v, err, done := f.TryResult(); v != 5 || err != nil || !done {
			t.Errorf("got %v, %v, %v", v, err, done)
		}
	})
	s.each(t, "TASK timeout", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f := misbehave.Submit(ctx, ex, "until cancelled", futures.Timeout(10*time.Millisecond))
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		want(t, "state", f.State(), futures.Failed)
		late := misbehave.Submit(ctx, ex, "late", futures.Timeout(10*time.Millisecond))
		if v, err := late.Result(ctx); v != 3 || err != nil {
			t.Errorf("a late value: %v, %v", v, err)
		}
	})
	s.each(t, "TASK delay", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		began := time.Now()
		late := square.Submit(ctx, ex, 3, futures.Delay(50*time.Millisecond))
		never := square.Submit(ctx, ex, 4, futures.Delay(time.Hour))
		want(t, "state before", never.State(), futures.Pending)
		if v, err := square.Submit(ctx, ex, 5).Result(ctx); v != 25 || err != nil {
			t.Errorf("one without: %v, %v", v, err)
		}
		if v, err := late.Result(ctx); v != 9 || err != nil || time.Since(began) < 50*time.Millisecond {
			t.Errorf("got %v, %v after %v", v, err, time.Since(began))
		}
		want(t, "Cancel before", never.Cancel(), true)
	})
	s.each(t, "TASK retry", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		asked := 0
		f := refuse.Submit(ctx, ex, -1, futures.Retry(futures.RetryPolicy{Max: 3, If: func(error) bool { asked++; return asked < 50 }}))
		if _, err := f.Result(ctx); err == nil {
			t.Error("no error")
		}
		want(t, "retries", asked, 3)
	})
	s.each(t, "TASK context of submit ends", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		mine := errors.New("mine")
		within, cancel := context.WithCancelCause(ctx)
		running := meet.Submit(within, ex, m.place("a", 1))
		queued := meet.Submit(within, ex, m.place("b", 1))
		m.await("a")
		cancel(mine)
		for _, f := range []intFuture{running, queued} {
			if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
				t.Errorf("got %v", err)
			}
			want(t, "state", f.State(), futures.Cancelled)
		}
		if !errors.Is(queued.Err(), mine) {
			t.Errorf("%v lacks the cause", queued.Err())
		}
		want(t, "the queued one ran", m.came("b"), false)
		refused := echo.Submit(within, ex, 1)
		want(t, "with an ended context", refused.State(), futures.Cancelled)
	})
	if s.Rejects {
		t.Run("TASK full queue rejects", func(t *testing.T) {
			ctx := t.Context()
			ex := s.New(t, Options{Workers: 1, Queue: 1, RejectWhenFull: true})
			defer ex.Close()
			m := newMeeting(t)
			running := meet.Submit(ctx, ex, m.place("a", 1))
			m.await("a")
			queued := echo.Submit(ctx, ex, 2)
			if err := echo.Submit(ctx, ex, 3).Err(); !errors.Is(err, futures.ErrQueueFull) {
				t.Errorf("got %v", err)
			}
			m.release("a")
			if _, err := futures.Gather(ctx, running, queued); err != nil {
				t.Error(err)
			}
		})
	}
	if s.Priorities {
		s.each(t, "TASK priority", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
			m := newMeeting(t)
			hold := meet.Submit(ctx, ex, m.place("hold", 1))
			m.await("hold")
			var fs []intFuture
			priorities := []int{-1, 0, 5, 0, 5, -1}
			for i, priority := range priorities {
				fs = append(fs, echo.Submit(ctx, ex, i, futures.Priority(priority)))
			}
			s.inLine(t, ctx, ex)
			m.release("hold")
			hold.Result(ctx)
			next := []int{2, 4, 1, 3, 0, 5}
			i := 0
			for f := range futures.AsCompleted(ctx, fs...) {
				v, _ := f.Result(ctx)
				if s.InLine == nil {
					want(t, "order", v, next[i])
				}
				want(t, "priority", priorities[v], priorities[next[i]])
				i++
			}
		})
	}
	t.Run("TASK full queue waits", func(t *testing.T) {
		ctx := t.Context()
		ex := s.New(t, Options{Workers: 1, Queue: 1})
		defer ex.Close()
		m := newMeeting(t)
		meet.Submit(ctx, ex, m.place("a", 1))
		m.await("a")
		echo.Submit(ctx, ex, 2)
		within, cancel := context.WithCancel(ctx)
		result := make(chan intFuture)
		go func() { result <- echo.Submit(within, ex, 3) }()
		cancel()
		if f := <-result; f.State() != futures.Cancelled {
			t.Errorf("got %v, %v", f, f.Err())
		}
		go func() { result <- echo.Submit(ctx, ex, 4) }()
		m.release("a")
		if v, err := (<-result).Result(ctx); v != 4 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}
