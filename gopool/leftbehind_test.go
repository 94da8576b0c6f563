package gopool_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestWaitsLeftBehind: a goroutine that a task's function leaves behind may still
// wait with the task's context. That takes no slot from anybody and gives none
// away, whether the task is done, or another attempt of it runs.
func TestWaitsLeftBehind(t *testing.T) {
	// leave starts a goroutine that waits for p, also when the task's context has
	// ended, and returns when it does. The channel is closed when it has returned.
	leave := func(ctx context.Context, p *futures.Promise[int]) <-chan struct{} {
		left := make(chan struct{})
		go func() {
			defer close(left)
			p.Future().Result(context.WithoutCancel(ctx))
		}()
		for !futures.CurrentTask(ctx).Waiting() {
			runtime.Gosched()
		}
		return left
	}
	t.Run("by tasks that are done", func(t *testing.T) {
		ctx := context.Background()
		pool := gopool.New(gopool.Options{Workers: 2})
		p := futures.NewPromise[int]()
		for range 20 {
			f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) { leave(ctx, p); return 1, nil })
			if v, err := f.Result(ctx); v != 1 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		}
		if s := pool.Inspect(); s.Waiting != 0 || s.Running != 0 {
			t.Errorf("%d wait and %d run", s.Waiting, s.Running)
		}
		within(t, "Close", func() { pool.Close() })
		p.Resolve(1, nil)
	})
	t.Run("by an earlier attempt", func(t *testing.T) {
		ctx := context.Background()
		pool := gopool.New(gopool.Options{Workers: 1})
		p := futures.NewPromise[int]()
		var left <-chan struct{}
		attempts := 0
		f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			if attempts++; attempts == 1 {
				left = leave(ctx, p)
				return 0, errors.New("again")
			}
			p.Resolve(1, nil)
			<-left // its wait is over, in the middle of this attempt
			return futures.Submit(ctx, pool, value(9)).Result(ctx)
		}, futures.Retry(futures.RetryPolicy{Max: 1}))
		if !within(t, "a wait in the second attempt", func() {
			if v, err := f.Result(ctx); v != 9 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		}) {
			f.Cancel()
		}
		within(t, "Close", func() { pool.Close() })
	})
	t.Run("by an earlier attempt, to the end", func(t *testing.T) {
		ctx := context.Background()
		pool := gopool.New(gopool.Options{Workers: 1})
		p := futures.NewPromise[int]()
		attempts := 0
		f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			if attempts++; attempts < 3 {
				leave(ctx, p)
				return 0, errors.New("again")
			}
			return futures.Submit(ctx, pool, value(9)).Result(ctx)
		}, futures.Retry(futures.RetryPolicy{Max: 5}))
		within(t, "a wait in the third attempt", func() {
			if v, err := f.Result(ctx); v != 9 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		})
		within(t, "Close", func() { pool.Close() })
		p.Resolve(1, nil)
	})
}
