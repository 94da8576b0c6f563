package executortest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/futures-go/futures"
)

func (s *suite) initializer(t *testing.T) {
	if s.NewInitialized != nil {
		t.Run("IN-01 has run before a worker's first task", func(t *testing.T) {
			ctx := t.Context()
			var mu sync.Mutex
			calls := make(map[int]int)
			ex := s.NewInitialized(t, 3, func(worker int) {
				mu.Lock()
				defer mu.Unlock()
				calls[worker]++
			})
			defer ex.Close()
			m := newMeeting(t)
			names := []string{"a", "b", "c"}
			for i, name := range names {
				meet.Submit(ctx, ex, m.place(name, i))
			}
			for _, name := range names {
				m.await(name)
			}
			mu.Lock()
			defer mu.Unlock()
			want(t, "workers initialized", len(calls), 3)
			for worker, n := range calls {
				if n != 1 {
					t.Errorf("worker %d: %d times", worker, n)
				}
			}
			m.release(names...)
		})
	}
	if s.NewFailing != nil {
		t.Run("IN-02 a failing initializer breaks the executor", func(t *testing.T) {
			ctx := t.Context()
			ex := s.NewFailing(t, "no licence")
			var fs []intFuture
			for i := range 5 {
				fs = append(fs, echo.Submit(ctx, ex, i))
			}
			futures.Wait(ctx, futures.AllCompleted, fs...)
			fs = append(fs, echo.Submit(ctx, ex, 6))
			for _, f := range fs {
				if err := f.Err(); !errors.Is(err, futures.ErrBroken) || !strings.Contains(err.Error(), "no licence") {
					t.Errorf("got %v", err)
				}
			}
			if err := ex.Close(); !errors.Is(err, futures.ErrBroken) {
				t.Errorf("Close: %v", err)
			}
		})
	}
	s.each(t, "IN-06 what a task needs can be its argument", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t) // a handle of something shared, as an ordinary argument
		m.release("a")
		if v, err := meet.Submit(ctx, ex, m.place("a", 9)).Result(ctx); v != 9 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

func (s *suite) shutdown(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	s.each(t, "SD-01 submit after close", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		before := echo.Submit(ctx, ex, 1)
		ex.Close()
		f := echo.Submit(ctx, ex, 2)
		if !errors.Is(f.Err(), futures.ErrClosed) || f.State() != futures.Failed {
			t.Errorf("got %v, %v", f, f.Err())
		}
		if v, err := before.Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	s.each(t, "SD-04 close waits for all that is queued", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var fs []intFuture
		for range 50 {
			fs = append(fs, nap.Submit(ctx, ex, 1))
		}
		if err := ex.Close(); err != nil {
			t.Error(err)
		}
		for _, f := range fs {
			if v, err, done := f.TryResult(); v != 1 || err != nil || !done {
				t.Fatalf("got %v, %v, %v", v, err, done)
			}
		}
	})
	s.each(t, "SD-05 shutdown cancels what is queued", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		running := meet.Submit(ctx, ex, m.place("a", 1))
		var queued []intFuture
		for range 20 {
			queued = append(queued, echo.Submit(ctx, ex, 1))
		}
		m.await("a")
		if err := ex.Shutdown(ended); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		done, _, err := futures.Wait(ctx, futures.AllCompleted, append(queued, running)...)
		if len(done) != 21 || err != nil {
			t.Errorf("%d done, %v", len(done), err)
		}
		for _, f := range done {
			want(t, "state", f.State(), futures.Cancelled)
		}
		if err := ex.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	s.each(t, "SD-06 close without waiting lets a running task finish", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		f := meet.Submit(ctx, ex, m.place("a", 1))
		m.await("a")
		closed := make(chan error)
		go func() { closed <- ex.Close() }()
		m.release("a")
		if v, err := f.Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	s.each(t, "SD-08 SD-09 SD-14 nothing is left after close", 4, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for i := range 20 {
			echo.Submit(ctx, ex, i)
		}
		if err := ex.Close(); err != nil { // what is left is found by the leak check
			t.Error(err)
		}
	})
	s.each(t, "SD-11 SD-16 close without waiting still does the queued work", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("a", 1))
		var fs []intFuture
		for i := range 20 {
			fs = append(fs, echo.Submit(ctx, ex, i))
		}
		m.await("a")
		closed := make(chan error)
		go func() { closed <- ex.Close() }()
		m.release("a")
		values, err := futures.Gather(ctx, append(fs, hold)...)
		if len(values) != 21 || err != nil {
			t.Errorf("got %v, %v", values, err)
		}
		<-closed
	})
	s.each(t, "SD-12 shutdown at once: wholly or not at all", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var fs []intFuture
		for range 10 {
			fs = append(fs, square.Submit(ctx, ex, 3))
		}
		ex.Shutdown(ended)
		ex.Close()
		for _, f := range fs {
			v, err, done := f.TryResult()
			if !done || err == nil && v != 9 || err != nil && !errors.Is(err, futures.ErrCancelled) {
				t.Errorf("got %v, %v, %v", v, err, done)
			}
		}
	})
	s.each(t, "SD-13 workers on demand, none left", 8, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		if v, err := echo.Submit(ctx, ex, 1).Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		ex.Close()
	})
	s.each(t, "SD-19 close is idempotent", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		echo.Submit(ctx, ex, 1)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				if i%2 == 0 {
					if err := ex.Close(); err != nil {
						t.Error(err)
					}
				} else if err := ex.Shutdown(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, err := range square.Map(ctx, ex, count(1, nil)) {
			if !errors.Is(err, futures.ErrClosed) {
				t.Errorf("a map afterwards: %v", err)
			}
		}
		for range square.Map(ctx, ex, func(func(int) bool) {}) {
			t.Error("an empty map yielded something")
		}
	})
}
