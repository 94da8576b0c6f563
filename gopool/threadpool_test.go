package gopool_test

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/leakcheck"
)

func value(n int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return n, nil }
}

// gate returns a task that waits, and how to open it.
func gate() (task func(context.Context) (int, error), started <-chan struct{}, open func()) {
	began, leave := make(chan struct{}), make(chan struct{})
	return func(ctx context.Context) (int, error) {
		close(began)
		select {
		case <-leave:
			return 1, nil
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}, began, sync.OnceFunc(func() { close(leave) })
}

// TestThreadPool holds the rows of group TP.
func TestThreadPool(t *testing.T) {
	ctx := context.Background()
	t.Run("TP-01 a map starts when it is ranged over", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 2})
		defer pool.Close()
		var calls atomic.Int32
		m := futures.Map(ctx, pool, slices.Values([]int{1, 2}), func(context.Context, int) (int, error) {
			return int(calls.Add(1)), nil
		})
		if calls.Load() != 0 {
			t.Error("started before it was ranged over")
		}
		for range m {
		}
		if calls.Load() != 2 {
			t.Errorf("%d calls", calls.Load())
		}
	})
	t.Run("TP-02 default size", func(t *testing.T) {
		if n, want := gopool.New(gopool.Options{}).Size(), min(32, runtime.GOMAXPROCS(0)+4); n != want {
			t.Errorf("%d workers, want %d", n, want)
		}
	})
	t.Run("TP-03 never more than the workers", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pool := gopool.New(gopool.Options{Workers: 4})
			var running, most atomic.Int32
			leave := make(chan struct{})
			for range 60 {
				futures.Submit(t.Context(), pool, func(context.Context) (int, error) {
					most.Store(max(most.Load(), running.Add(1)))
					<-leave
					running.Add(-1)
					return 0, nil
				})
			}
			synctest.Wait()
			if running.Load() != 4 || len(pool.Inspect().Workers) != 4 {
				t.Errorf("G1: %d run on %d workers", running.Load(), len(pool.Inspect().Workers))
			}
			close(leave)
			pool.Close()
			if most.Load() != 4 {
				t.Errorf("G1: at most %d ran", most.Load())
			}
		})
	})
	t.Run("TP-04 an idle worker is used again", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 8})
		defer pool.Close()
		for i := range 1000 {
			futures.Submit(ctx, pool, value(i)).Result(ctx)
			if n := len(pool.Inspect().Workers); n != 1 {
				t.Fatalf("G5: %d workers after %d tasks one after another", n, i+1)
			}
		}
	})
	t.Run("TP-05 others open and close while one is flooded", func(t *testing.T) {
		flooded := gopool.New(gopool.Options{Workers: 2})
		var stop atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			for !stop.Load() {
				futures.Submit(ctx, flooded, value(1))
			}
		})
		for range 50 {
			pool := gopool.New(gopool.Options{Workers: 2})
			futures.Submit(ctx, pool, value(2))
			pool.Close()
		}
		stop.Store(true)
		wg.Wait()
		flooded.Close()
	})
	t.Run("TP-06 a pool inside a task", func(t *testing.T) {
		outer := gopool.New(gopool.Options{Workers: 1})
		defer outer.Close()
		v, err := futures.Submit(ctx, outer, func(ctx context.Context) (int, error) {
			inner := gopool.New(gopool.Options{Workers: 1})
			defer inner.Close()
			return futures.Submit(ctx, inner, value(6)).Result(ctx)
		}).Result(ctx)
		if v != 6 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	t.Run("TP-07 the end of a map's context cancels the rest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pool := gopool.New(gopool.Options{Workers: 1})
			within, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var calls atomic.Int32
			var errs []error
			for _, err := range futures.Map(within, pool, slices.Values([]int{1, 2, 3}), func(context.Context, int) (int, error) {
				calls.Add(1)
				time.Sleep(time.Minute) // does not mind its context
				return 1, nil
			}) {
				errs = append(errs, err)
			}
			if calls.Load() != 1 || len(errs) != 1 || !errors.As(errs[0], new(*futures.WaitError)) {
				t.Errorf("%d calls, errors %v", calls.Load(), errs)
			}
			pool.Close()
		})
	})
	t.Run("TP-08 workers have numbers and profiles their labels", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 2, Name: "bakery"})
		defer pool.Close()
		v, err := futures.Submit(ctx, pool, func(ctx context.Context) (string, error) {
			if worker, ok := gopool.Worker(ctx); !ok || worker != 0 {
				t.Errorf("worker %d, %v", worker, ok)
			}
			var profile strings.Builder
			err := pprof.Lookup("goroutine").WriteTo(&profile, 1)
			return profile.String(), err
		}).Result(ctx)
		if err != nil || !strings.Contains(v, `"pool":"bakery"`) || !strings.Contains(v, `"function":"github.com/futures-go/futures/gopool_test.TestThreadPool`) {
			t.Errorf("%v, profile:\n%s", err, v)
		}
		if _, ok := gopool.Worker(ctx); ok {
			t.Error("a worker outside any task")
		}
	})
	t.Run("TP-09 default names differ", func(t *testing.T) {
		a, b := gopool.New(gopool.Options{}), gopool.New(gopool.Options{})
		if a.Name() == b.Name() || !strings.HasPrefix(a.Name(), "gopool-") {
			t.Errorf("names %q and %q", a.Name(), b.Name())
		}
	})
	t.Run("TP-10 a worker survives what its tasks do", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1, Logger: quiet})
		defer pool.Close()
		for i := range 100 {
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) {
				switch i % 3 {
				case 0:
					panic(i)
				case 1:
					runtime.Goexit()
				}
				return i, nil
			})
			_, err := f.Result(ctx)
			var p *futures.PanicError
			if errors.As(err, &p) != (i%3 != 2) || p != nil && p.Goexit != (i%3 == 1) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if n := len(pool.Inspect().Workers); n != 1 {
			t.Errorf("%d workers", n)
		}
	})
	t.Run("TP-11 a task may wait for another one", func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 1})
		defer pool.Close()
		var depth func(n int) func(context.Context) (int, error)
		depth = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if n == 0 {
					return 0, nil
				}
				// The second Submit finds the queue full: it too must not keep the slot.
				a, b := futures.Submit(ctx, pool, depth(n-1)), futures.Submit(ctx, pool, value(0))
				values, err := futures.Gather(ctx, a, b)
				if err != nil {
					return 0, err
				}
				return values[0] + 1, nil
			}
		}
		if v, err := futures.Submit(ctx, pool, depth(20)).Result(ctx); v != 20 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}

// TestCycles: F5. Tasks that wait for each other are told so, by name.
func TestCycles(t *testing.T) {
	ctx := context.Background()
	waits := map[string]func(ctx context.Context, f *futures.Future[int]) error{
		"Result": func(ctx context.Context, f *futures.Future[int]) error { _, err := f.Result(ctx); return err },
		"Wait all": func(ctx context.Context, f *futures.Future[int]) error {
			_, _, err := futures.Wait(ctx, futures.AllCompleted, f)
			return err
		},
		"Wait first": func(ctx context.Context, f *futures.Future[int]) error {
			_, _, err := futures.Wait(ctx, futures.FirstCompleted, f)
			return err
		},
		"Gather": func(ctx context.Context, f *futures.Future[int]) error {
			_, err := futures.Gather(ctx, f)
			return err
		},
	}
	for name, wait := range waits {
		for _, size := range []int{1, 2, 3} {
			t.Run(name, func(t *testing.T) {
				pool := gopool.New(gopool.Options{Workers: 1, Logger: quiet})
				defer pool.Close()
				fs := make([]*futures.Future[int], size)
				ready := make(chan struct{})
				for i := range fs {
					fs[i] = futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
						<-ready
						return 0, wait(ctx, fs[(i+1)%size])
					}, futures.Label("part", string(rune('a'+i))))
				}
				close(ready)
				var cycles int
				for _, f := range fs {
					_, err := f.Result(ctx)
					if err != nil && strings.Contains(err.Error(), "wait cycle") {
						cycles++
						for i := range fs {
							if !strings.Contains(err.Error(), "part="+string(rune('a'+i))) {
								t.Errorf("%q does not name task %d", err, i)
							}
						}
					}
				}
				if cycles == 0 {
					t.Error("no task was told of the cycle")
				}
			})
		}
	}
}

// TestWaitingGivesTheSlotBack: also AsCompleted and Map, with one worker.
func TestWaitingGivesTheSlotBack(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: 2})
	defer pool.Close()
	sum, err := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		total := 0
		for f := range futures.AsCompleted(ctx, futures.Submit(ctx, pool, value(1)), futures.Submit(ctx, pool, value(2))) {
			v, err := f.Result(ctx)
			if err != nil {
				return 0, err
			}
			total += v
		}
		for v, err := range futures.Map(ctx, pool, slices.Values([]int{10, 20, 30}), func(_ context.Context, n int) (int, error) { return n, nil }) {
			if err != nil {
				return 0, err
			}
			total += v
		}
		all, err := futures.MapSlice(ctx, pool, []int{100, 200}, func(_ context.Context, n int) (int, error) { return n, nil })
		if err != nil {
			return 0, err
		}
		return total + all[0] + all[1], nil
	}).Result(ctx)
	if sum != 363 || err != nil {
		t.Errorf("got %v, %v", sum, err)
	}
}

// TestInspect: figures are exact when the pool is at rest.
func TestInspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var mu sync.Mutex
		var events []inspect.EventKind
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 2, Logger: quiet, Events: func(e inspect.Event) {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e.Kind)
		}})
		task, started, open := gate()
		busy := futures.Submit(ctx, pool, task)
		<-started
		queued := futures.Submit(ctx, pool, value(1))
		futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New("failed") })
		go futures.Submit(ctx, pool, value(2))
		synctest.Wait()
		s := pool.Inspect()
		if s.Running != 1 || s.Queued != 2 || s.Blocked != 1 || s.Limit != 1 || s.Capacity != 2 || len(s.Workers) != 1 {
			t.Errorf("busy: %+v", s)
		}
		if w := s.Workers[0]; w.State != inspect.Busy || !strings.Contains(w.Task, "gate") || w.Since.IsZero() {
			t.Errorf("worker: %+v", w)
		}
		queued.Cancel()
		open()
		busy.Result(ctx)
		synctest.Wait()
		s = pool.Inspect()
		var total inspect.Function
		for _, f := range s.Functions {
			total.Succeeded += f.Succeeded
			total.Failed += f.Failed
			total.Cancelled += f.Cancelled
			if f.Latency.Samples() == 0 || f.Latency.Quantile(0.5) <= 0 {
				t.Errorf("no latencies: %+v", f)
			}
		}
		if total.Succeeded != 2 || total.Failed != 1 || s.Running+s.Queued+s.Blocked != 0 || s.Workers[0].State != inspect.Idle || s.Workers[0].Done != 3 {
			t.Errorf("at rest: %+v", s)
		}
		pool.Close()
		if s := pool.Inspect(); !s.Closed || len(s.Workers) != 0 || len(s.Functions) != 3 {
			t.Errorf("closed: %+v", s)
		}
		want := []inspect.EventKind{inspect.TaskQueued, inspect.WorkerStart, inspect.TaskStarted}
		if !slices.Equal(events[:3], want) || events[len(events)-1] != inspect.WorkerExit || !slices.Contains(events, inspect.ExecutorDown) {
			t.Errorf("events %v", events)
		}
	})
}

func TestResize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1})
		var running atomic.Int32
		for range 20 {
			futures.Submit(t.Context(), pool, func(context.Context) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				time.Sleep(time.Minute)
				return 0, nil
			})
		}
		for _, n := range []int{1, 5, 2, 3} {
			if err := pool.Resize(n); err != nil {
				t.Error(err)
			}
			time.Sleep(61 * time.Second) // those that run end, and others begin
			synctest.Wait()
			if got := int(running.Load()); got != n || pool.Size() != n {
				t.Errorf("%d run with %d workers", got, n)
			}
		}
		if err := pool.Resize(0); err == nil || !strings.Contains(err.Error(), "gopool.Resize: 0") {
			t.Errorf("Resize(0): %v", err)
		}
		pool.Close()
	})
}

func TestInitializerThatPanics(t *testing.T) {
	pool := gopool.New(gopool.Options{Workers: 2, Logger: quiet, Init: func(context.Context, int) error { panic("no lamp") }})
	_, err := futures.Submit(t.Context(), pool, value(1)).Result(t.Context())
	if !errors.Is(err, futures.ErrBroken) || !strings.Contains(err.Error(), "no lamp") {
		t.Errorf("got %v", err)
	}
	if err := pool.Close(); !errors.Is(err, futures.ErrBroken) {
		t.Errorf("Close: %v", err)
	}
	if s := pool.Inspect(); !strings.Contains(s.Broken, "no lamp") {
		t.Errorf("Broken: %q", s.Broken)
	}
}

// TestGoroutines: G6, none before the first task and none after Close.
func TestGoroutines(t *testing.T) {
	leakcheck.Goroutines(t, func() {
		before := runtime.NumGoroutine()
		pool := gopool.New(gopool.Options{Workers: 100})
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("G6: New started %d goroutines", after-before)
		}
		for range 1000 {
			futures.Submit(t.Context(), pool, value(1))
		}
		pool.Close()
	})
}

// TestStartStop opens and closes ten thousand pools beside concurrent Submits.
func TestStartStop(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	ctx := t.Context()
	for range rounds {
		pool := gopool.New(gopool.Options{Workers: 2, Queue: 2})
		var wg sync.WaitGroup
		var fs [3]*futures.Future[int]
		for i := range fs {
			wg.Go(func() { fs[i] = futures.Submit(ctx, pool, value(i)) })
		}
		wg.Go(func() { pool.Close() })
		pool.Close()
		wg.Wait()
		for i, f := range fs {
			if v, err := f.Result(ctx); err != nil && !errors.Is(err, futures.ErrClosed) || err == nil && v != i {
				t.Fatalf("got %v, %v", v, err)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for text, options := range map[string]gopool.Options{
		"gopool.New: negative Workers -1": {Workers: -1},
		"gopool.New: negative Queue -2":   {Queue: -2},
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, text) {
					t.Errorf("panic says %q, want %q", got, text)
				}
			}()
			gopool.New(options)
		}()
	}
}
