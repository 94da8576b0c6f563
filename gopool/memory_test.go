package gopool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// ballast is a value that is missed when it is kept.
type ballast [1 << 16]byte

// awaitCollection runs the collector until what has been collected.
func awaitCollection(t *testing.T, what string, collected <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Errorf("%s is kept", what)
			return
		}
		runtime.Gosched()
	}
}

// TestKeepsNothing: however a task ended, the pool keeps nothing of what its
// function refers to, nor of its value; a future that is kept keeps only the
// value.
func TestKeepsNothing(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: 10, Logger: quiet})
	defer pool.Close()
	var futuresKept []*futures.Future[int]
	track := func() (*ballast, <-chan struct{}) {
		b, gone := new(ballast), make(chan struct{})
		runtime.AddCleanup(b, func(c chan struct{}) { close(c) }, gone)
		return b, gone
	}
	ends := map[string]func(b *ballast) *futures.Future[int]{
		"succeeded": func(b *ballast) *futures.Future[int] {
			return futures.Submit(ctx, pool, func(context.Context) (int, error) { return len(b), nil })
		},
		"failed": func(b *ballast) *futures.Future[int] {
			return futures.Submit(ctx, pool, func(context.Context) (int, error) { return len(b), errors.New("failed") })
		},
		"panicked": func(b *ballast) *futures.Future[int] {
			return futures.Submit(ctx, pool, func(context.Context) (int, error) { panic(len(b)) })
		},
		"called Goexit": func(b *ballast) *futures.Future[int] {
			return futures.Submit(ctx, pool, func(context.Context) (int, error) { runtime.Goexit(); return len(b), nil })
		},
		"with options": func(b *ballast) *futures.Future[int] {
			return futures.Submit(ctx, pool, func(context.Context) (int, error) { return len(b), errors.New("failed") },
				futures.Timeout(time.Hour), futures.Retry(futures.RetryPolicy{Max: 2}), futures.Priority(3))
		},
		"with a callback": func(b *ballast) *futures.Future[int] {
			f := futures.Submit(ctx, pool, value(1))
			f.OnDone(func(*futures.Future[int]) { _ = b[0] })
			return f
		},
		"cancelled in the queue": func(b *ballast) *futures.Future[int] {
			task, started, open := gate()
			defer open()
			futures.Submit(ctx, pool, task)
			<-started
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) { return len(b), nil })
			f.Cancel()
			return f
		},
		"cancelled while running": func(b *ballast) *futures.Future[int] {
			started := make(chan struct{})
			f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
				close(started)
				<-ctx.Done()
				return len(b), ctx.Err()
			})
			<-started
			f.Cancel()
			return f
		},
	}
	for name, end := range ends {
		var gone <-chan struct{}
		func() {
			var b *ballast
			b, gone = track()
			f := end(b)
			f.Result(ctx)
			futuresKept = append(futuresKept, f)
		}()
		awaitCollection(t, "what the function of a task refers to that "+name, gone)
	}
	runtime.KeepAlive(futuresKept)

	var gone <-chan struct{}
	func() {
		var b *ballast
		b, gone = track()
		futures.Submit(ctx, pool, func(context.Context) (*ballast, error) { return b, nil }).Result(ctx)
	}()
	awaitCollection(t, "the value of a future that was dropped", gone)

	for v, err := range futures.Map(ctx, pool, slices.Values(make([]int, 100)), func(context.Context, int) (*ballast, error) {
		b, _ := track()
		return b, nil
	}) {
		if err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		runtime.AddCleanup(v, func(c chan struct{}) { close(c) }, gone)
		v = nil
		_ = v
		awaitCollection(t, "a result that a map has yielded", gone)
		if t.Failed() {
			break
		}
	}
}

// TestCancelledInTheQueue: tasks that were cancelled neither take places nor much
// memory while they cannot be reached by a worker, whatever their priority, and
// those among them keep their order.
func TestCancelledInTheQueue(t *testing.T) {
	const tasks = 100_000
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: 50, RejectWhenFull: true})
	task, started, open := gate()
	futures.Submit(ctx, pool, task)
	<-started
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	var order []int
	before := heap()
	for i := range tasks {
		if i%(tasks/30) == 0 {
			futures.Submit(ctx, pool, func(context.Context) (int, error) { order = append(order, i); return i, nil })
		}
		f := futures.Submit(ctx, pool, value(i), futures.Priority(i%3-1))
		if !f.Cancel() {
			t.Fatalf("task %d: %v, %v", i, f, f.Err())
		}
	}
	// A hundred bytes for each would be ten megabytes.
	if grown := heap() - before; grown > 2<<20 {
		t.Errorf("%d KiB for %d tasks that were cancelled", grown>>10, tasks)
	}
	if s := pool.Inspect(); s.Queued > 31 || s.Queued < 30 {
		t.Errorf("%d queued", s.Queued)
	}
	open()
	pool.Close()
	if !slices.IsSorted(order) || len(order) < 30 {
		t.Errorf("%d ran, in the order %v", len(order), order)
	}
}

// TestManyFailuresNobodyLookedAt: the log is bounded and says so; failures that
// somebody looked at make room first.
func TestManyFailuresNobodyLookedAt(t *testing.T) {
	ctx := context.Background()
	for _, looked := range []bool{false, true} {
		var log strings.Builder
		pool := gopool.New(gopool.Options{Workers: 1, Logger: textLogger(&log)})
		var fs []*futures.Future[int]
		for i := range 1000 {
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, fmt.Errorf("failure-%03d", i) })
			fs = append(fs, f)
			if looked && i >= 100 {
				f.Result(ctx)
			}
		}
		pool.Close()
		lines := strings.Count(log.String(), "nobody asked for")
		switch {
		case looked && lines != 100:
			t.Errorf("%d lines, want those of the 100 that nobody looked at", lines)
		case !looked && (lines >= 1000 || lines < 100 || !strings.Contains(log.String(), fmt.Sprintf("tasks=%d", 1000-lines))):
			t.Errorf("%d lines, and then %s", lines, log.String()[strings.LastIndex(log.String(), "level="):])
		case !looked && !strings.Contains(log.String(), "failure-999"):
			t.Error("the last one is not among them")
		}
		runtime.KeepAlive(fs)
	}
}
