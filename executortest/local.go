package executortest

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures"
)

// openLocal is open for executors that run closures.
func (s *suite) openLocal(t testing.TB, workers int) futures.LocalExecutor {
	ex, ok := s.open(t, workers).(futures.LocalExecutor)
	if !ok {
		t.Fatal("Config.Local is set, and New returns no futures.LocalExecutor")
	}
	return ex
}

// local holds what is promised of executors in this process: closures, and waits
// inside tasks.
func (s *suite) local(t *testing.T) {
	each := func(name string, workers int, fn func(t *testing.T, ctx context.Context, ex futures.LocalExecutor)) {
		t.Run(name, func(t *testing.T) { fn(t, t.Context(), s.openLocal(t, workers)) })
	}
	each("EX-01 closures", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		base := 40
		f := futures.Submit(ctx, ex, func(context.Context) (string, error) { return strings.Repeat("x", base+2), nil })
		if v, err := f.Result(ctx); len(v) != 42 || err != nil {
			t.Errorf("got %q, %v", v, err)
		}
	})
	each("F-28 the very error value", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		mine := errors.New("mine")
		f := futures.Submit(ctx, ex, func(context.Context) (int, error) { return 1, mine })
		for range 3 {
			if v, err := f.Result(ctx); v != 0 || err != mine || f.Err() != mine {
				t.Errorf("got %v, %v", v, err)
			}
		}
	})
	each("TASK panics of all kinds", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		type point struct{ X, Y int }
		for _, value := range []any{"text", 42, point{1, 2}, fs.ErrExist, nil} {
			_, err := futures.Submit(ctx, ex, func(context.Context) (int, error) { panic(value) }).Result(ctx)
			p, _ := err.(*futures.PanicError)
			if p == nil || p.Goexit || value != nil && p.Value != value || value == nil && p.Value == nil {
				t.Errorf("panic(%v): %#v", value, err)
			}
		}
	})
	each("TASK typed nil errors", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		var ours *typedNil
		for _, err := range []error{ours} {
			f := futures.Submit(ctx, ex, func(context.Context) (int, error) { return 1, err })
			if v, got := f.Result(ctx); v != 0 || got != err || f.State() != futures.Failed {
				t.Errorf("%v: %v, %T", f, v, got)
			}
		}
	})
	each("TASK the context tells why", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		mine := errors.New("mine")
		within, cancel := context.WithCancelCause(ctx)
		causes := make(chan error, 2)
		wait := func(ctx context.Context) (int, error) {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return 0, ctx.Err()
		}
		started := make(chan struct{})
		f := futures.Submit(within, ex, func(ctx context.Context) (int, error) { close(started); return wait(ctx) })
		<-started
		cancel(mine)
		if _, err := f.Result(ctx); !errors.Is(err, mine) || !errors.Is(err, futures.ErrCancelled) {
			t.Errorf("its parent ended: %v", err)
		}
		want(t, "cause", <-causes, mine)
		started = make(chan struct{})
		f = futures.Submit(ctx, ex, func(ctx context.Context) (int, error) { close(started); return wait(ctx) })
		<-started
		f.Cancel()
		f.Result(ctx)
		want(t, "cause", <-causes, error(futures.ErrCancelled))
	})
	each("TASK what does not mind Cancel succeeds", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		started, leave := make(chan struct{}), make(chan struct{})
		f := futures.Submit(ctx, ex, func(context.Context) (int, error) { close(started); <-leave; return 3, nil })
		<-started
		want(t, "Cancel", f.Cancel(), false)
		close(leave)
		if v, err := f.Result(ctx); v != 3 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
	each("TASK cancelled ones never run", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		for range 500 {
			var cancelled, late atomic.Bool
			f := futures.Submit(ctx, ex, func(context.Context) (int, error) {
				late.Store(cancelled.Load())
				return 0, nil
			})
			cancelled.Store(f.Cancel())
			f.Result(ctx)
			want(t, "ran after Cancel was true", late.Load(), false)
		}
	})
	each("EX-07 a map that is left waits for what runs", 3, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		for _, opts := range [][]futures.MapOption{nil, {futures.Chunk(3)}, {futures.Window(5)}, {futures.Unordered()}} {
			var running atomic.Int32
			for range futures.Map(ctx, ex, count(0, nil), func(context.Context, int) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				runtime.Gosched()
				return 0, nil
			}, opts...) {
				break
			}
			want(t, "running after the loop", running.Load(), 0)
		}
	})
	each("EX-18 nothing is kept of a closure", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		var kept []intFuture
		for _, cancelled := range []bool{false, true} {
			collected := make(chan struct{})
			func() {
				big := new(ballast)
				cleanup(big, collected)
				leave := make(chan struct{})
				hold := futures.Submit(ctx, ex, func(context.Context) (int, error) { <-leave; return 0, nil })
				f := futures.Submit(ctx, ex, func(context.Context) (int, error) { return len(big.Bytes), nil })
				if cancelled {
					f.Cancel()
				}
				close(leave)
				futures.Wait(ctx, futures.AllCompleted, hold, f)
				kept = append(kept, f)
			}()
			collect(t, collected)
		}
		runtime.KeepAlive(kept)
	})
	s.nested(t)
}

// nested holds that a wait inside a task never keeps the worker that it waits for.
func (s *suite) nested(t *testing.T) {
	one := func(context.Context) (int, error) { return 1, nil }
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	waits := map[string]func(ctx context.Context, ex futures.LocalExecutor) (int, error){
		"Result": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			return futures.Submit(ctx, ex, one).Result(ctx)
		},
		"Result of a registered function": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			return echo.Submit(ctx, ex, 1).Result(ctx)
		},
		"Wait": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			a, b := futures.Submit(ctx, ex, one), futures.Submit(ctx, ex, one)
			done, _, err := futures.Wait(ctx, futures.AllCompleted, a, b)
			return len(done) - 1, err
		},
		"Wait for the first": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			never := futures.NewPromise[int]().Future()
			done, _, err := futures.Wait(ctx, futures.FirstCompleted, never, futures.Submit(ctx, ex, one))
			return len(done), err
		},
		"AsCompleted": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			n := 0
			for f := range futures.AsCompleted(ctx, futures.Submit(ctx, ex, one), futures.Submit(ctx, ex, one)) {
				v, err := f.Result(ctx)
				if err != nil {
					return 0, err
				}
				n += v
			}
			return n - 1, nil
		},
		"Gather": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			values, err := futures.Gather(ctx, futures.Submit(ctx, ex, one), futures.Submit(ctx, ex, one))
			return len(values) - 1, err
		},
		"Map": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			n := 0
			for v, err := range futures.Map(ctx, ex, slices.Values([]int{1, 2, 3}), double) {
				if err != nil {
					return 0, err
				}
				n += v
			}
			return n - 11, nil
		},
		"MapSlice": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			values, err := futures.MapSlice(ctx, ex, []int{1, 2, 3}, double)
			return len(values) - 2, err
		},
		"its own goroutines": func(ctx context.Context, ex futures.LocalExecutor) (int, error) {
			var wg sync.WaitGroup
			var n atomic.Int32
			for range 3 {
				wg.Go(func() {
					if v, err := futures.Submit(ctx, ex, one).Result(ctx); err == nil {
						n.Add(int32(v))
					}
				})
			}
			// The task itself has to wait as a task does, or it keeps its worker.
			if _, err := futures.Submit(ctx, ex, one).Result(ctx); err != nil {
				return 0, err
			}
			return 1, nil
		},
	}
	for name, wait := range waits {
		for _, queue := range []int{1, 100} {
			t.Run("TASK waits inside tasks: "+name, func(t *testing.T) {
				ctx := t.Context()
				ex := s.New(t, Options{Workers: 1, Queue: queue}).(futures.LocalExecutor)
				defer ex.Close()
				var deep func(n int) func(context.Context) (int, error)
				deep = func(n int) func(context.Context) (int, error) {
					return func(ctx context.Context) (int, error) {
						v, err := wait(ctx, ex)
						if n == 0 || err != nil {
							return v, err
						}
						below, err := futures.Submit(ctx, ex, deep(n-1)).Result(ctx)
						return v + below, err
					}
				}
				if v, err := futures.Submit(ctx, ex, deep(5)).Result(ctx); v != 6 || err != nil {
					t.Errorf("got %v, %v", v, err)
				}
			})
		}
	}
	for _, size := range []int{1, 2, 3} {
		t.Run("TASK a cycle is told by name", func(t *testing.T) {
			ctx := t.Context()
			ex := s.openLocal(t, 1)
			fs := make([]intFuture, size)
			ready := make(chan struct{})
			for i := range fs {
				fs[i] = futures.Submit(ctx, ex, func(ctx context.Context) (int, error) {
					<-ready
					_, err := fs[(i+1)%size].Result(ctx)
					if cycle, ok := errors.AsType[*futures.CycleError](err); ok {
						if len(cycle.Tasks) != size || !strings.Contains(cycle.Tasks[0], "place="+string(rune('a'+i))) {
							t.Errorf("task %d is told of %q", i, cycle.Tasks)
						}
						return 1, nil
					}
					return 0, err
				}, futures.Label("place", string(rune('a'+i))))
			}
			close(ready)
			values, err := futures.Gather(ctx, fs...)
			if err != nil || !slices.Contains(values, 1) {
				t.Errorf("got %v, %v", values, err)
			}
		})
	}
}
