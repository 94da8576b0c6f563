package gopool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

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

// apart calls fn in a goroutine of its own, which fn may end.
func apart(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
}

func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func goexit(*futures.Future[int]) { runtime.Goexit() }

// TestGoexitEverywhere: a worker survives tasks and callbacks that end its
// goroutine, in any combination, and no slot is lost.
func TestGoexitEverywhere(t *testing.T) {
	ctx := context.Background()
	tasks := map[string]func(context.Context) (int, error){
		"returns": value(1),
		"fails":   func(context.Context) (int, error) { return 0, errors.New("failed") },
		"panics":  func(context.Context) (int, error) { panic("boom") },
		"ends":    func(context.Context) (int, error) { runtime.Goexit(); return 1, nil },
		"ends, deferring a wait": func(ctx context.Context) (int, error) {
			defer futures.NewPromise[int]().Future().Result(endedContext())
			runtime.Goexit()
			return 1, nil
		},
	}
	for name, task := range tasks {
		for callbacks := range 3 {
			t.Run(name, func(t *testing.T) {
				pool := gopool.New(gopool.Options{Workers: 1, Logger: quiet})
				start := make(chan struct{})
				f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
					<-start
					return task(ctx)
				})
				for range callbacks {
					f.OnDone(goexit)
				}
				called := false
				f.OnDone(func(*futures.Future[int]) { called = true })
				close(start)
				next := futures.Submit(ctx, pool, value(2))
				if !within(t, "the next task", func() { next.Result(ctx) }) || !within(t, "Close", func() { pool.Close() }) {
					return
				}
				if v, err := next.Result(ctx); v != 2 || err != nil || !f.State().Done() || !called {
					t.Errorf("next: %v, %v; %v; last callback called: %v", v, err, f, called)
				}
			})
		}
	}
}

// TestGoexitWhileCancelling: a callback that ends the goroutine of who cancels a
// queued task costs the pool nothing.
func TestGoexitWhileCancelling(t *testing.T) {
	ctx := context.Background()
	t.Run("Cancel", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 2, RejectWhenFull: true})
		defer pool.Close()
		task, started, open := gate()
		defer open()
		futures.Submit(ctx, pool, task)
		<-started
		for range 10 {
			f := futures.Submit(ctx, pool, value(1))
			f.OnDone(goexit)
			apart(func() { f.Cancel() })
			if queued := pool.Inspect().Queued; f.State() != futures.Cancelled || queued != 0 {
				t.Fatalf("%v, and %d queued", f, queued)
			}
		}
		for range 2 {
			if err := futures.Submit(ctx, pool, value(1)).Err(); err != nil {
				t.Errorf("there is no room for two: %v", err)
			}
		}
	})
	t.Run("Shutdown", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1})
		task, started, open := gate()
		futures.Submit(ctx, pool, task)
		<-started
		var fs []*futures.Future[int]
		for range 5 {
			f := futures.Submit(ctx, pool, value(1))
			f.OnDone(goexit)
			fs = append(fs, f)
		}
		apart(func() { pool.Shutdown(endedContext()) })
		open()
		within(t, "Close", func() { pool.Close() })
		for i, f := range fs {
			if !f.State().Done() {
				t.Errorf("%d is %v in a closed pool", i, f)
			}
		}
	})
	t.Run("a broken pool", func(t *testing.T) {
		begin := make(chan struct{})
		pool := gopool.New(gopool.Options{Workers: 1, Logger: quiet, Init: func(context.Context, int) error {
			<-begin
			return errors.New("no lamp")
		}})
		var fs []*futures.Future[int]
		for range 5 {
			f := futures.Submit(ctx, pool, value(1))
			f.OnDone(goexit)
			fs = append(fs, f)
		}
		close(begin)
		within(t, "Close", func() { pool.Close() })
		for i, f := range fs {
			if !errors.Is(f.Err(), futures.ErrBroken) {
				t.Errorf("%d is %v in a broken pool: %v", i, f, f.Err())
			}
		}
	})
}
