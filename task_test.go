package futures_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// bubble runs a test with a pool inside a synctest bubble.
func bubble(t *testing.T, workers int, test func(t *testing.T, ctx context.Context, pool *gopool.Pool)) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: workers})
		test(t, context.Background(), pool)
		pool.Close()
	})
}

func TestTaskContext(t *testing.T) {
	type key struct{}
	t.Run("values, deadline and cause of the parent", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			deadline := time.Now().Add(time.Hour)
			mine := errors.New("mine")
			parent, cancel := context.WithCancelCause(context.WithValue(ctx, key{}, "v"))
			parent, stop := context.WithDeadline(parent, deadline)
			defer stop()
			f := futures.Submit(parent, pool, func(ctx context.Context) (int, error) {
				if d, ok := ctx.Deadline(); !ok || !d.Equal(deadline) || ctx.Value(key{}) != "v" || ctx.Err() != nil {
					t.Errorf("deadline %v, value %v, error %v", d, ctx.Value(key{}), ctx.Err())
				}
				if futures.CurrentTask(ctx) == nil || futures.CurrentTask(context.WithoutCancel(ctx)) == nil {
					t.Error("the task is not found by its context")
				}
				cancel(mine)
				// Before anybody asked for the channel, and after.
				if ctx.Err() != context.Canceled || context.Cause(ctx) != mine {
					t.Errorf("error %v, cause %v", ctx.Err(), context.Cause(ctx))
				}
				<-ctx.Done()
				if ctx.Err() != context.Canceled || context.Cause(ctx) != mine {
					t.Errorf("error %v, cause %v", ctx.Err(), context.Cause(ctx))
				}
				return 0, ctx.Err()
			})
			if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) || !errors.Is(err, mine) {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("Cancel is the cause, also for contexts made from it", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			for _, early := range []bool{true, false} {
				started := make(chan struct{})
				f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
					child := ctx
					if early {
						var cancel func()
						child, cancel = context.WithCancel(ctx)
						defer cancel()
					}
					close(started)
					if early {
						<-child.Done()
					} else {
						for child.Err() == nil { // nobody asks for the channel
							time.Sleep(time.Second)
						}
					}
					if child.Err() != context.Canceled || context.Cause(child) != futures.ErrCancelled {
						t.Errorf("error %v, cause %v", child.Err(), context.Cause(child))
					}
					return 0, fmt.Errorf("stopped: %w", child.Err())
				})
				<-started
				f.Cancel()
				if _, err := f.Result(ctx); err != futures.ErrCancelled || f.State() != futures.Cancelled {
					t.Errorf("got %v in state %v", err, f.State())
				}
			}
		})
	})
	t.Run("has ended when the task has", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			for _, asked := range []bool{true, false} {
				kept, _ := futures.Submit(ctx, pool, func(ctx context.Context) (context.Context, error) {
					if asked {
						ctx.Done()
					}
					return ctx, nil
				}).Result(ctx)
				if kept.Err() != context.Canceled {
					t.Errorf("error %v", kept.Err())
				}
				<-kept.Done()
			}
		})
	})
	t.Run("what ignores it succeeds", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			started, leave := make(chan struct{}), make(chan struct{})
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) {
				close(started)
				<-leave
				return 7, nil
			})
			<-started
			f.Cancel()
			close(leave)
			if v, err := f.Result(ctx); v != 7 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		})
	})
}

func TestRetry(t *testing.T) {
	again := errors.New("again")
	t.Run("waits as the policy says, without a worker", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			began := time.Now()
			var at []time.Duration
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) {
				at = append(at, time.Since(began))
				return 0, again
			}, futures.Retry(futures.RetryPolicy{Max: 4, Backoff: time.Second, MaxBackoff: 5 * time.Second}))
			synctest.Wait()
			if f.State() != futures.Pending || pool.Inspect().Delayed != 1 {
				t.Errorf("%v between two attempts, %d delayed", f.State(), pool.Inspect().Delayed)
			}
			if v, err := futures.Submit(ctx, pool, one).Result(ctx); v != 1 || err != nil || time.Since(began) != 0 {
				t.Errorf("the worker is not free: %v, %v after %v", v, err, time.Since(began))
			}
			if _, err := f.Result(ctx); err != again {
				t.Errorf("got %v", err)
			}
			if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 12 * time.Second}; !slices.Equal(at, want) {
				t.Errorf("attempts at %v, want %v", at, want)
			}
		})
	})
	t.Run("cancelled during the wait", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			calls := 0
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) { calls++; return 0, again },
				futures.Retry(futures.RetryPolicy{Max: 9, Backoff: time.Hour}))
			synctest.Wait()
			if !f.Cancel() || f.State() != futures.Cancelled || calls != 1 {
				t.Errorf("state %v after %d calls", f.State(), calls)
			}
		})
	})
	t.Run("Close finishes what waits, Shutdown cancels it", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			calls := 0
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) { calls++; return 0, again },
				futures.Retry(futures.RetryPolicy{Max: 3, Backoff: time.Minute}))
			synctest.Wait()
			pool.Close()
			if f.Err() != again || calls != 4 {
				t.Errorf("%v after %d calls", f.Err(), calls)
			}
			second := gopool.New(gopool.Options{Workers: 1})
			f = futures.Submit(ctx, second, func(context.Context) (int, error) { return 0, again },
				futures.Retry(futures.RetryPolicy{Max: 3, Backoff: time.Minute}))
			within, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			if err := second.Shutdown(within); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			second.Close()
			if f.State() != futures.Cancelled {
				t.Errorf("state %v", f.State())
			}
		})
	})
	t.Run("not after a panic, nor what If refuses", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			calls := 0
			policy := futures.RetryPolicy{Max: 5, If: func(err error) bool { return !errors.Is(err, fs.ErrNotExist) }}
			f := futures.Submit(ctx, pool, func(context.Context) (int, error) { calls++; panic("bug") }, futures.Retry(policy))
			f.Result(ctx)
			g := futures.Submit(ctx, pool, func(context.Context) (int, error) { calls++; return 0, fs.ErrNotExist }, futures.Retry(policy))
			g.Result(ctx)
			if calls != 2 {
				t.Errorf("%d calls", calls)
			}
		})
	})
	t.Run("each attempt has its own timeout and context", func(t *testing.T) {
		bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
			var contexts []context.Context
			f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
				contexts = append(contexts, ctx)
				if len(contexts) < 3 {
					<-ctx.Done()
					return 0, ctx.Err()
				}
				if contexts[0].Err() == nil || contexts[1].Err() == nil || ctx.Err() != nil {
					t.Error("an attempt sees another one's context")
				}
				return 3, nil
			}, futures.Timeout(time.Second), futures.Retry(futures.RetryPolicy{Max: 5}))
			if v, err := f.Result(ctx); v != 3 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		})
	})
	t.Run("jitter stays within its bounds", func(t *testing.T) {
		p := futures.RetryPolicy{Max: 1, Backoff: time.Second, Jitter: 0.5}
		for range 1000 {
			if d := p.Delay(3); d < 2*time.Second || d > 4*time.Second {
				t.Fatalf("delay %v", d)
			}
		}
	})
}

// TestUserCodeMayAsk: F3. What the library calls may call the library.
func TestUserCodeMayAsk(t *testing.T) {
	bubble(t, 1, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
		var f *futures.Future[int]
		ask := func() {
			f.State()
			f.Cancel()
			f.Done()
			f.OnDone(func(*futures.Future[int]) {})
			pool.Inspect()
			if err := pool.Resize(2); err != nil {
				t.Error(err)
			}
		}
		ready := make(chan struct{})
		called := 0
		f = futures.Submit(ctx, pool, func(context.Context) (int, error) {
			<-ready
			return 0, errors.New("again")
		}, futures.Retry(futures.RetryPolicy{Max: 1, If: func(error) bool { called++; ask(); return true }}))
		f.OnDone(func(f *futures.Future[int]) {
			called++
			ask()
			if v, err := futures.Submit(ctx, pool, one).Result(ctx); v != 1 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
		})
		close(ready)
		f.Result(ctx)
		synctest.Wait()
		if called != 2 {
			t.Errorf("%d of 2 called", called)
		}
	})
}

func TestGather(t *testing.T) {
	bubble(t, 2, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
		broken := errors.New("broken")
		stopped := make(chan struct{})
		long := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			defer close(stopped)
			<-ctx.Done()
			return 0, ctx.Err()
		})
		bad := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, broken })
		queued := futures.Submit(ctx, pool, func(context.Context) (int, error) { time.Sleep(time.Hour); return 0, nil })
		if values, err := futures.Gather(ctx, long, bad, queued); err != broken || values != nil {
			t.Errorf("got %v, %v", values, err)
		}
		<-stopped
	})
}

func TestMapPanics(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	for _, chunk := range []int{1, 3, 100} {
		i := 0
		for v, err := range futures.Map(ctx, pool, slices.Values([]int{0, 1, 2, 3, 4, 5, 6}), func(_ context.Context, n int) (int, error) {
			switch n {
			case 2:
				panic("two")
			case 4:
				runtime.Goexit()
			}
			return n, nil
		}, futures.Chunk(chunk)) {
			var p *futures.PanicError
			if errors.As(err, &p) != (i == 2 || i == 4) || err == nil && v != i || p != nil && p.Goexit != (i == 4) {
				t.Errorf("chunk %d, item %d: %v, %v", chunk, i, v, err)
			}
			i++
		}
		if i != 7 {
			t.Errorf("chunk %d: %d items", chunk, i)
		}
	}
}

func TestMapBreakWaits(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 4})
	defer pool.Close()
	for range 200 {
		var running atomic.Int32
		for range futures.Map(ctx, pool, func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
			}
		}, func(ctx context.Context, n int) (int, error) {
			running.Add(1)
			defer running.Add(-1)
			runtime.Gosched()
			return n, nil
		}) {
			break
		}
		if n := running.Load(); n != 0 {
			t.Fatalf("%d still run after the loop", n)
		}
	}
}

func TestMapSlice(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close()
	for _, n := range []int{0, 1, 2, 3, 1000, 100_001} {
		inputs := make([]int, n)
		for i := range inputs {
			inputs[i] = i
		}
		for _, opts := range [][]futures.Option{nil, {futures.Priority(1)}, {futures.Timeout(time.Hour)}} {
			if n > 1000 && len(opts) > 0 {
				continue
			}
			out, err := futures.MapSlice(ctx, pool, inputs, func(_ context.Context, v int) (int, error) { return -v, nil }, opts...)
			if err != nil || len(out) != n {
				t.Fatalf("%d of %d, %v", len(out), n, err)
			}
			for i, v := range out {
				if v != -i {
					t.Fatalf("%d: %d", i, v)
				}
			}
		}
	}
	third := errors.New("third")
	for range 300 {
		var calls atomic.Int32
		out, err := futures.MapSlice(ctx, pool, make([]int, 10_000), func(_ context.Context, v int) (int, error) {
			if calls.Add(1) == 3 {
				return 0, third
			}
			return v, nil
		})
		if err != third || out != nil {
			t.Fatalf("got %v, %v", out, err)
		}
	}
	_, err := futures.MapSlice(ctx, pool, make([]int, 10), func(context.Context, int) (int, error) { panic("slice") })
	if !errors.As(err, new(*futures.PanicError)) {
		t.Errorf("got %v", err)
	}
	within, cancel := context.WithCancel(ctx)
	_, err = futures.MapSlice(within, pool, make([]int, 10), func(ctx context.Context, _ int) (int, error) {
		cancel()
		<-ctx.Done()
		return 0, ctx.Err()
	})
	if err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		"futures: wait ended: context canceled":                                                &futures.WaitError{Cause: context.Canceled, Unfinished: 1, Total: 1},
		"futures: wait ended with 2 of 5 futures unfinished: context canceled":                 &futures.WaitError{Cause: context.Canceled, Unfinished: 2, Total: 5},
		"futures: wait cycle: a -> b -> a":                                                     &futures.CycleError{Tasks: []string{"a", "b"}},
		"futures: task panicked: 42":                                                           &futures.PanicError{Value: 42},
		"futures: task called runtime.Goexit":                                                  &futures.PanicError{Goexit: true},
		"futures: worker process 7 running f exited with code 3: fatal error: all is lost":     &futures.CrashError{PID: 7, ExitCode: 3, Task: "f", Stderr: "fatal error: all is lost\nstack"},
		"futures: worker process 7 running f was ended by SIGKILL (attempt 2): it was stopped": &futures.CrashError{PID: 7, Signal: "SIGKILL", Task: "f", Attempt: 2, Cause: errors.New("it was stopped")},
		"futures: worker process 7 running f ran out of memory":                                &futures.CrashError{PID: 7, OOM: true, Task: "f"},
		"over there": &futures.RemoteError{Type: "main.E", Message: "over there", Stack: "main.f"},
	} {
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
	if text := fmt.Sprintf("%+v", &futures.RemoteError{Type: "main.E", Message: "over there", Stack: "main.f"}); !strings.Contains(text, "main.E") || !strings.Contains(text, "main.f") {
		t.Errorf("%q", text)
	}
	if !errors.Is(futures.ErrTimeout, context.DeadlineExceeded) {
		t.Error("ErrTimeout is no DeadlineExceeded")
	}
}
