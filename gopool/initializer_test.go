package gopool_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
)

// TestInitializerFails: however it fails the pool is broken, says why in each
// future, in Close, in Inspect and in the log, and nothing is left.
func TestInitializerFails(t *testing.T) {
	noLamp := errors.New("no lamp")
	for name, init := range map[string]func(context.Context, int) error{
		"error":     func(context.Context, int) error { return noLamp },
		"panic":     func(context.Context, int) error { panic(noLamp) },
		"Goexit":    func(context.Context, int) error { runtime.Goexit(); return nil },
		"panic nil": func(context.Context, int) error { panic(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				begin := make(chan struct{})
				var log strings.Builder
				pool := gopool.New(gopool.Options{Workers: 2, Queue: 3, Name: "mine", Logger: textLogger(&log), Init: func(ctx context.Context, worker int) error {
					<-begin
					return init(ctx, worker)
				}})
				var fs []*futures.Future[int]
				for i := range 3 {
					fs = append(fs, futures.Submit(ctx, pool, value(i), futures.Priority(i)))
				}
				blocked := make(chan *futures.Future[int], 1)
				go func() { blocked <- futures.Submit(ctx, pool, value(1)) }()
				synctest.Wait()
				close(begin)
				fs = append(fs, <-blocked)
				synctest.Wait()
				fs = append(fs, futures.Submit(ctx, pool, value(1)))
				for i, f := range fs {
					if err := f.Err(); f.State() != futures.Failed || !errors.Is(err, futures.ErrBroken) || !strings.Contains(err.Error(), "mine") {
						t.Errorf("%d: %v, %v", i, f, err)
					}
				}
				if err := pool.Close(); !errors.Is(err, futures.ErrBroken) {
					t.Errorf("Close: %v", err)
				}
				s := pool.Inspect()
				if s.Broken == "" || len(s.Workers)+s.Queued+s.Blocked != 0 || !strings.Contains(log.String(), "initializer failed") {
					t.Errorf("%+v, log: %s", s, &log)
				}
				if name == "error" || name == "panic" {
					if err := fs[0].Err(); !errors.Is(err, noLamp) || !strings.Contains(s.Broken, "no lamp") || !strings.Contains(log.String(), "no lamp") {
						t.Errorf("the reason is lost: %v, %q", err, s.Broken)
					}
				}
			})
		})
	}
}

// TestInitializerOfOneFails: what runs on the workers that are well is finished.
func TestInitializerOfOneFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 2, Logger: quiet, Init: func(_ context.Context, worker int) error {
			if worker == 1 {
				return errors.New("the second one")
			}
			return nil
		}})
		task, started, open := gate()
		runs := futures.Submit(ctx, pool, task)
		<-started
		delayed := futures.Submit(ctx, pool, value(1)) // starts the second worker
		synctest.Wait()
		if err := delayed.Err(); !errors.Is(err, futures.ErrBroken) {
			t.Errorf("queued: %v", err)
		}
		open()
		if v, err := runs.Result(ctx); v != 1 || err != nil {
			t.Errorf("running: %v, %v", v, err)
		}
		pool.Close()
	})
}

// TestInitializerAndRetry: a broken pool does not run what waits for another
// attempt, nor does Close wait for it.
func TestInitializerAndRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 2, Logger: quiet, Init: func(_ context.Context, worker int) error {
			if worker == 1 {
				return errors.New("the second one")
			}
			return nil
		}})
		calls := 0
		retried := futures.Submit(ctx, pool, func(context.Context) (int, error) { calls++; return 0, errors.New("again") },
			futures.Retry(futures.RetryPolicy{Max: 1, Backoff: time.Minute}))
		synctest.Wait()
		task, started, open := gate()
		futures.Submit(ctx, pool, task)
		<-started
		futures.Submit(ctx, pool, value(1))
		synctest.Wait()
		open()
		pool.Close()
		if calls != 1 || !errors.Is(retried.Err(), futures.ErrBroken) {
			t.Errorf("%d calls, %v: %v", calls, retried, retried.Err())
		}
	})
}

// TestInitializerOnce: it runs once for each worker, before the worker's first
// task and in its goroutine's place, and not again for a worker whose goroutine
// was ended by a task.
func TestInitializerOnce(t *testing.T) {
	var inits [3]atomic.Int32
	pool := gopool.New(gopool.Options{Workers: 3, Logger: quiet, Init: func(_ context.Context, worker int) error {
		inits[worker].Add(1)
		return nil
	}})
	for i := range 300 {
		futures.Submit(context.Background(), pool, func(ctx context.Context) (int, error) {
			if worker, _ := gopool.Worker(ctx); inits[worker].Load() != 1 {
				t.Errorf("worker %d was initialized %d times", worker, inits[worker].Load())
			}
			if i%3 == 0 {
				runtime.Goexit()
			}
			return 0, nil
		})
	}
	pool.Close()
}

// TestInitializerIsSeen: a worker that is not ready yet is said to be starting.
func TestInitializerIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		pool := gopool.New(gopool.Options{Workers: 1, Init: func(context.Context, int) error { <-ready; return nil }})
		f := futures.Submit(t.Context(), pool, value(1))
		synctest.Wait()
		if s := pool.Inspect(); len(s.Workers) != 1 || s.Workers[0].State != inspect.Starting || s.Queued != 1 || f.State() != futures.Pending {
			t.Errorf("%v, %+v", f, s)
		}
		close(ready)
		pool.Close()
	})
}
