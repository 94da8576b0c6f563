package gopool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestBubble runs tasks with delays, a retry and a timeout inside a bubble, where
// a minute takes no time and a goroutine left behind is an error.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 2})
		start := time.Now()
		nap := func(d time.Duration) *futures.Future[time.Duration] {
			return futures.Submit(ctx, pool, func(context.Context) (time.Duration, error) {
				time.Sleep(d)
				return time.Since(start), nil
			})
		}
		long, short, third := nap(time.Minute), nap(time.Second), nap(time.Second)
		var order []time.Duration
		for f := range futures.AsCompleted(ctx, long, short, third) {
			v, err := f.Result(ctx)
			if err != nil {
				t.Fatal(err)
			}
			order = append(order, v)
		}
		if want := [...]time.Duration{time.Second, 2 * time.Second, time.Minute}; [3]time.Duration(order) != want {
			t.Errorf("done at %v, want %v", order, want)
		}

		tries := 0
		start = time.Now()
		retried := futures.Submit(ctx, pool, func(context.Context) (int, error) {
			if tries++; tries < 4 {
				return 0, errors.New("not yet")
			}
			return tries, nil
		}, futures.Retry(futures.RetryPolicy{Max: 5, Backoff: time.Second}))
		if n, err := retried.Result(ctx); n != 4 || err != nil || time.Since(start) != 7*time.Second {
			t.Errorf("%d, %v after %v, want 4 after 1+2+4 seconds", n, err, time.Since(start))
		}

		start = time.Now()
		late := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, context.Cause(ctx)
		}, futures.Timeout(time.Minute))
		if _, err := late.Result(ctx); !errors.Is(err, futures.ErrTimeout) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v, want a timeout after a minute", err, time.Since(start))
		}

		waiting := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		within, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		var wait *futures.WaitError
		if _, err := waiting.Result(within); !errors.As(err, &wait) || waiting.State() != futures.Running {
			t.Errorf("got %v and state %v, want a WaitError and running", err, waiting.State())
		}
		if waiting.Cancel() {
			t.Error("Cancel of a running task is true")
		}
		if _, err := waiting.Result(ctx); err != futures.ErrCancelled {
			t.Errorf("got %v", err)
		}
		pool.Close()
	})
}
