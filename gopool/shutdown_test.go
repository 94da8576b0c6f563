package gopool_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestShutdownDoesNotWait: once its context has ended Shutdown returns, at
// whatever point the tasks are, and says what it cut short.
func TestShutdownDoesNotWait(t *testing.T) {
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	for round := range rounds {
		pool := gopool.New(gopool.Options{Workers: 2})
		leave := make(chan struct{})
		var fs []*futures.Future[int]
		for range 1 + round%3 {
			fs = append(fs, futures.Submit(context.Background(), pool, func(ctx context.Context) (int, error) {
				<-leave // does not mind its context
				return 0, ctx.Err()
			}))
		}
		var err error
		returned := within(t, "Shutdown", func() { err = pool.Shutdown(endedContext()) })
		close(leave)
		pool.Close()
		if !returned {
			t.Fatalf("round %d", round)
		}
		for _, f := range fs {
			if f.State() != futures.Cancelled || !errors.Is(err, context.Canceled) {
				t.Fatalf("round %d: %v, and Shutdown returned %v", round, f, err)
			}
		}
	}
}

// TestShutdownTells: it says nothing was cut short only if nothing was.
func TestShutdownTells(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	for round := range rounds {
		pool := gopool.New(gopool.Options{Workers: 1})
		f := futures.Submit(context.Background(), pool, func(ctx context.Context) (int, error) {
			return 0, ctx.Err() // unless it is cancelled it succeeds
		})
		for range round % 8 {
			runtime.Gosched()
		}
		err := pool.Shutdown(endedContext())
		pool.Close()
		if f.State() == futures.Cancelled && !errors.Is(err, context.Canceled) {
			t.Fatalf("round %d: %v, and Shutdown returned %v", round, f, err)
		}
	}
}

// TestShutdownBetweenAttempts: a task that waits for its next attempt is cut short
// like one that is queued.
func TestShutdownBetweenAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1})
		f := futures.Submit(t.Context(), pool, func(context.Context) (int, error) { return 0, errors.New("again") },
			futures.Retry(futures.RetryPolicy{Max: 1, Backoff: time.Hour}))
		synctest.Wait()
		began := time.Now()
		err := pool.Shutdown(endedContext())
		if !errors.Is(err, context.Canceled) || f.State() != futures.Cancelled {
			t.Errorf("%v, and Shutdown returned %v", f, err)
		}
		if err := pool.Close(); err != nil || time.Since(began) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(began))
		}
	})
}

// TestShutdownCounts: the error says how much was cut short and why.
func TestShutdownCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 2, Queue: 3})
		var fs []*futures.Future[int]
		for range 5 {
			fs = append(fs, futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, context.Cause(ctx)
			}))
			synctest.Wait()
		}
		refused := make(chan *futures.Future[int], 1)
		go func() { refused <- futures.Submit(ctx, pool, value(1)) }()
		synctest.Wait()
		mine := errors.New("mine")
		within, cancel := context.WithCancelCause(ctx)
		cancel(mine)
		err := pool.Shutdown(within)
		if !errors.Is(err, mine) || !strings.Contains(err.Error(), "gopool.Shutdown") || !strings.Contains(err.Error(), "3 queued and 2 running") {
			t.Errorf("Shutdown: %v", err)
		}
		if f := <-refused; !errors.Is(f.Err(), futures.ErrClosed) {
			t.Errorf("who waited for room got %v: %v", f, f.Err())
		}
		for _, f := range fs {
			if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) || f.State() != futures.Cancelled {
				t.Errorf("%v: %v", f, err)
			}
		}
		for range 3 { // again, in any order
			if err := pool.Shutdown(within); err != nil {
				t.Errorf("Shutdown again: %v", err)
			}
			if err := pool.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	})
}

// TestShutdownInTime: if everything ends before the context, Shutdown is Close.
func TestShutdownInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1})
		var fs []*futures.Future[int]
		for i := range 10 {
			fs = append(fs, futures.Submit(t.Context(), pool, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return i, nil
			}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		if err := pool.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		for i, f := range fs {
			if v, err, _ := f.TryResult(); v != i || err != nil {
				t.Errorf("%d: %v, %v", i, v, err)
			}
		}
	})
}

// TestShutdownOfWaitingTasks: tasks that wait for others, or for room, are told.
func TestShutdownOfWaitingTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 1})
		ctx := context.Background()
		never := futures.NewPromise[int]()
		waits := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) { return never.Future().Result(ctx) })
		synctest.Wait()
		var inner [3]*futures.Future[int]
		submits := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			for i := range inner {
				// The second finds the queue full, and the slot is gone when there is room.
				inner[i] = futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
					<-ctx.Done()
					return 0, ctx.Err()
				})
			}
			return inner[2].Result(ctx)
		})
		synctest.Wait()
		if inner[0].State() != futures.Running || inner[1] != nil {
			t.Errorf("%v, %v", inner[0], inner[1])
		}
		if err := pool.Shutdown(endedContext()); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		pool.Close()
		for _, f := range append(inner[:], waits, submits) {
			if f.State() != futures.Cancelled {
				t.Errorf("%v: %v", f, f.Err())
			}
		}
	})
}

// TestCloseBesideEverything: whatever happens while the pool closes, everybody
// gets an answer and nothing is left.
func TestCloseBesideEverything(t *testing.T) {
	ctx := context.Background()
	for round := range 300 {
		pool := gopool.New(gopool.Options{Workers: 1 + round%3, Queue: 1 + round%4, RejectWhenFull: round%5 == 0, Logger: quiet})
		var mu sync.Mutex
		var fs []*futures.Future[int]
		var wg sync.WaitGroup
		keep := func(f *futures.Future[int]) {
			mu.Lock()
			defer mu.Unlock()
			fs = append(fs, f)
		}
		for range 4 {
			wg.Go(func() {
				for i := range 20 {
					f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
						inner := futures.Submit(ctx, pool, value(1))
						keep(inner)
						return inner.Result(ctx)
					})
					keep(f)
					if i%4 == 0 {
						f.Cancel()
					}
				}
			})
		}
		wg.Go(func() {
			if round%2 == 0 {
				pool.Shutdown(endedContext())
			}
			pool.Close()
		})
		if !within(t, "closing", func() { wg.Wait(); pool.Close() }) {
			t.Fatalf("round %d: %+v", round, pool.Inspect())
		}
		for _, f := range fs {
			if !f.State().Done() {
				t.Fatalf("round %d: %v in a closed pool", round, f)
			}
			if err := f.Err(); err != nil && !errors.Is(err, futures.ErrCancelled) && !errors.Is(err, futures.ErrClosed) && !errors.Is(err, futures.ErrQueueFull) {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if s := pool.Inspect(); s.Running+s.Waiting+s.Queued+s.Delayed+s.Blocked+len(s.Workers) != 0 {
			t.Fatalf("round %d left %+v", round, s)
		}
	}
}
