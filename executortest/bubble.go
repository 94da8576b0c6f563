package executortest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
)

// bubbles holds what is about time: inside bubbles of testing/synctest, where it
// is exact, and where a goroutine that is left behind is an error.
func (s *suite) bubbles(t *testing.T) {
	bubble := func(name string, workers int, fn func(t *testing.T, ctx context.Context, ex futures.LocalExecutor)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ex := s.New(t, Options{Workers: workers, Queue: 100}).(futures.LocalExecutor)
				fn(t, context.Background(), ex)
				if err := ex.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
	// sleep returns a task that sleeps, whatever its context says, and returns n.
	sleep := func(d time.Duration, n int) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { time.Sleep(d); return n, nil }
	}
	// obey returns a task that sleeps until its context ends.
	obey := func(d time.Duration, n int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) {
			select {
			case <-time.After(d):
				return n, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	}
	bubble("TASK never more than the workers", 3, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		var running, most atomic.Int32
		began := time.Now()
		var fs []intFuture
		for range 30 {
			fs = append(fs, futures.Submit(ctx, ex, func(context.Context) (int, error) {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				return 0, nil
			}))
			fs[len(fs)-1].OnDone(func(*futures.Future[int]) { running.Add(-1) })
		}
		synctest.Wait()
		want(t, "running", running.Load(), 3)
		futures.Wait(ctx, futures.AllCompleted, fs...)
		want(t, "at most", most.Load(), 3)
		want(t, "time", time.Since(began), 10*time.Second)
	})
	bubble("W-08 a wait ends when its context does", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		quick, slow := futures.Submit(ctx, ex, sleep(time.Second, 1)), futures.Submit(ctx, ex, sleep(time.Hour, 2))
		within, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		done, pending, err := futures.Wait(within, futures.AllCompleted, slow, quick)
		wait, _ := errors.AsType[*futures.WaitError](err)
		if !slices.Equal(done, []intFuture{quick}) || !slices.Equal(pending, []intFuture{slow}) || wait == nil || wait.Unfinished != 1 || wait.Total != 2 {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		want(t, "time", time.Since(began), time.Minute)
		if _, err := slow.Result(within); !errors.Is(err, context.DeadlineExceeded) || slow.State() != futures.Running {
			t.Errorf("%v: %v", slow, err)
		}
	})
	bubble("AC-02 AC-06 AC-08 one deadline, in the order of completion", 5, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		var fs []intFuture
		for _, seconds := range []int{5, 1, 9, 2, 7} {
			fs = append(fs, futures.Submit(ctx, ex, sleep(time.Duration(seconds)*time.Second, seconds)))
		}
		within, cancel := context.WithTimeout(ctx, 6*time.Second)
		defer cancel()
		var values []int
		var at []time.Duration
		for f := range futures.AsCompleted(within, fs...) {
			v, err := f.Result(within)
			if (err != nil) != (len(values) > 2) || err != nil && !errors.As(err, new(*futures.WaitError)) {
				t.Errorf("%d: %v, %v", len(values), v, err)
			}
			values, at = append(values, v), append(at, time.Since(began)/time.Second)
			time.Sleep(time.Millisecond) // a slow body does not put the deadline off
		}
		if !slices.Equal(values, []int{1, 2, 5, 0, 0}) || !slices.Equal(at, []time.Duration{1, 2, 5, 6, 6}) {
			t.Errorf("values %v at %v", values, at)
		}
	})
	bubble("EX-03 in input order, at the same time", 4, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		seconds := []int{3, 1, 2, 1}
		got := take(t, -1, futures.Map(ctx, ex, slices.Values(seconds), func(ctx context.Context, n int) (int, error) {
			return sleep(time.Duration(n)*time.Second, n)(ctx)
		}))
		if !slices.Equal(got, seconds) {
			t.Errorf("got %v", got)
		}
		want(t, "time", time.Since(began), 3*time.Second)
		got = take(t, -1, futures.Map(ctx, ex, slices.Values(seconds[:3]), func(ctx context.Context, n int) (int, error) {
			return sleep(time.Duration(n)*time.Second, n)(ctx)
		}, futures.Unordered()))
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("unordered: %v", got)
		}
	})
	bubble("EX-06 TP-07 one deadline for the whole map", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		var calls atomic.Int32
		var errs []error
		for _, err := range futures.Map(within, ex, count(0, nil), func(ctx context.Context, n int) (int, error) {
			calls.Add(1)
			return sleep(2*time.Second, n)(ctx)
		}) {
			errs = append(errs, err)
		}
		if len(errs) != 3 || errs[0] != nil || errs[1] != nil || !errors.As(errs[2], new(*futures.WaitError)) || !errors.Is(errs[2], context.DeadlineExceeded) {
			t.Errorf("yielded %v", errs)
		}
		want(t, "calls", calls.Load(), 3)
		want(t, "time, with the one that was running", time.Since(began), 6*time.Second)
	})
	bubble("TASK timeout counts from the start", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		first := futures.Submit(ctx, ex, sleep(time.Minute, 1))
		f := futures.Submit(ctx, ex, obey(time.Hour, 2), futures.Timeout(time.Second))
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, futures.ErrCancelled) {
			t.Errorf("got %v", err)
		}
		want(t, "time", time.Since(began), 61*time.Second)
		want(t, "state", f.State(), futures.Failed)
		late := futures.Submit(ctx, ex, sleep(time.Hour, 3), futures.Timeout(time.Second))
		if v, err := late.Result(ctx); v != 3 || err != nil {
			t.Errorf("a late value: %v, %v", v, err)
		}
		quick := futures.Submit(ctx, ex, obey(time.Second, 4), futures.Timeout(time.Minute))
		if v, err := quick.Result(ctx); v != 4 || err != nil {
			t.Errorf("in time: %v, %v", v, err)
		}
		own := futures.Submit(ctx, ex, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			if cause := context.Cause(ctx); cause != futures.ErrTimeout || ctx.Err() != context.DeadlineExceeded {
				t.Errorf("cause %v, error %v", cause, ctx.Err())
			}
			return 0, errors.New("an error of its own")
		}, futures.Timeout(time.Second))
		if _, err := own.Result(ctx); err == nil || errors.Is(err, futures.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		first.Result(ctx)
	})
	bubble("TASK timeout, and the parent ends first", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		within, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		f := futures.Submit(within, ex, obey(time.Hour, 1), futures.Timeout(time.Minute))
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) || errors.Is(err, futures.ErrTimeout) {
			t.Errorf("%v: %v", f, err)
		}
	})
	bubble("TASK delay", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		at := func(context.Context) (time.Duration, error) { return time.Since(began), nil }
		within, cancel := context.WithCancel(ctx)
		late := futures.Submit(ctx, ex, at, futures.Delay(time.Minute))
		stopped := futures.Submit(ctx, ex, at, futures.Delay(time.Hour))
		ended := futures.Submit(within, ex, at, futures.Delay(time.Hour))
		synctest.Wait()
		want(t, "state before", late.State(), futures.Pending)
		if d, err := futures.Submit(ctx, ex, at).Result(ctx); d != 0 || err != nil {
			t.Errorf("the worker is not free meanwhile: %v, %v", d, err)
		}
		want(t, "Cancel before", stopped.Cancel(), true)
		cancel()
		if _, err := ended.Result(ctx); !errors.Is(err, futures.ErrCancelled) || time.Since(began) != 0 {
			t.Errorf("its context has ended: %v after %v", err, time.Since(began))
		}
		if d, err := late.Result(ctx); d != time.Minute || err != nil {
			t.Errorf("ran after %v, %v", d, err)
		}
		began = time.Now()
		last := futures.Submit(ctx, ex, at, futures.Delay(time.Minute))
		if err := ex.Close(); err != nil {
			t.Error(err)
		}
		want(t, "Close waits", time.Since(began), time.Minute)
		want(t, "state after Close", last.State(), futures.Succeeded)
		if _, err := futures.Submit(ctx, ex, at, futures.Delay(time.Minute)).Result(ctx); !errors.Is(err, futures.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
	bubble("TASK delay of each input of a map", 3, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		var at []time.Duration
		for d, err := range futures.Map(ctx, ex, slices.Values([]int{0, 1, 2}), func(context.Context, int) (time.Duration, error) {
			return time.Since(began), nil
		}, futures.Delay(time.Second), futures.Window(2)) {
			if at = append(at, d); err != nil {
				t.Error(err)
			}
		}
		if !slices.Equal(at, []time.Duration{time.Second, time.Second, 2 * time.Second}) {
			t.Errorf("ran at %v", at)
		}
	})
	bubble("TASK delay ends with Shutdown", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		f := futures.Submit(ctx, ex, sleep(0, 1), futures.Delay(time.Hour))
		within, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if err := ex.Shutdown(within); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		want(t, "state", f.State(), futures.Cancelled)
		want(t, "time", time.Since(began), time.Second)
	})
	bubble("TASK retry waits as its policy says", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		var at []time.Duration
		again := errors.New("again")
		f := futures.Submit(ctx, ex, func(context.Context) (int, error) {
			if at = append(at, time.Since(began)); len(at) < 5 {
				return 0, again
			}
			return 5, nil
		}, futures.Retry(futures.RetryPolicy{Max: 10, Backoff: time.Second, Multiplier: 3, MaxBackoff: 20 * time.Second}))
		synctest.Wait()
		want(t, "state between attempts", f.State(), futures.Pending)
		if v, err := futures.Submit(ctx, ex, sleep(0, 1)).Result(ctx); v != 1 || err != nil || time.Since(began) != 0 {
			t.Errorf("the worker is not free between attempts: %v, %v after %v", v, err, time.Since(began))
		}
		if v, err := f.Result(ctx); v != 5 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		if !slices.Equal(at, []time.Duration{0, time.Second, 4 * time.Second, 13 * time.Second, 33 * time.Second}) {
			t.Errorf("attempts at %v", at)
		}
	})
	bubble("TASK retry ends with Cancel", 1, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began, calls := time.Now(), 0
		policy := futures.Retry(futures.RetryPolicy{Max: 100, Backoff: time.Minute, MaxBackoff: time.Hour})
		f := futures.Submit(ctx, ex, func(context.Context) (int, error) { calls++; return 0, errors.New("again") }, policy)
		time.Sleep(90 * time.Second)
		want(t, "Cancel between attempts", f.Cancel(), true)
		want(t, "state", f.State(), futures.Cancelled)
		running := futures.Submit(ctx, ex, func(ctx context.Context) (int, error) { calls++; <-ctx.Done(); return 0, ctx.Err() }, policy)
		synctest.Wait()
		want(t, "Cancel of a running attempt", running.Cancel(), false)
		if _, err := running.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
			t.Errorf("got %v", err)
		}
		want(t, "calls", calls, 3)
		want(t, "time", time.Since(began), 90*time.Second)
	})
	bubble("SD-05 shutdown when its context ends", 2, func(t *testing.T, ctx context.Context, ex futures.LocalExecutor) {
		began := time.Now()
		var fs []intFuture
		for i := range 10 {
			fs = append(fs, futures.Submit(ctx, ex, obey(2*time.Second, i)))
		}
		within, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if err := ex.Shutdown(within); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v", err)
		}
		want(t, "time", time.Since(began), 5*time.Second)
		if err := ex.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		want(t, "time", time.Since(began), 5*time.Second)
		for i, f := range fs {
			if want := i >= 4; (f.State() == futures.Cancelled) != want {
				t.Errorf("%d: %v", i, f)
			}
		}
	})
}
