package futures_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// numbers yields 0, 1, 2 ..., below n if n is positive.
func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; n <= 0 || i < n; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// untilEnd waits for the end of its context.
func untilEnd(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestMapEnd: the end of the context is the last thing that a map yields, once,
// and nothing runs afterwards.
func TestMapEnd(t *testing.T) {
	for name, opts := range map[string][]futures.MapOption{
		"adaptive":  nil,
		"window":    {futures.Window(3)},
		"chunk":     {futures.Chunk(4)},
		"single":    {futures.Timeout(time.Hour)},
		"unordered": {futures.Unordered(), futures.Window(5)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(t *testing.T, ctx context.Context, pool *gopool.Pool) {
				within, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				var running atomic.Int32
				var errs []error
				for _, err := range futures.Map(within, pool, numbers(0), func(ctx context.Context, n int) (int, error) {
					running.Add(1)
					defer running.Add(-1)
					time.Sleep(300 * time.Millisecond)
					return n, nil
				}, opts...) {
					errs = append(errs, err)
				}
				if n := running.Load(); n != 0 {
					t.Errorf("%d still run", n)
				}
				for i, err := range errs {
					if last := i == len(errs)-1; errors.As(err, new(*futures.WaitError)) != last || last && !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%d of %d: %v", i, len(errs), err)
					}
				}
				if len(errs) == 0 {
					t.Error("nothing was yielded")
				}
			})
		})
	}
}

// TestMapSliceEnd: the end of the context is a *WaitError, also if the functions
// are the first to notice.
func TestMapSliceEnd(t *testing.T) {
	pool := gopool.New(gopool.Options{Workers: 2, Logger: slog.New(slog.DiscardHandler)})
	defer pool.Close()
	for name, opts := range map[string][]futures.Option{"stretches": nil, "single": {futures.Timeout(time.Hour)}} {
		t.Run(name, func(t *testing.T) {
			bad := 0
			for range 200 {
				ctx, cancel := context.WithCancel(context.Background())
				out, err := futures.MapSlice(ctx, pool, make([]int, 10), func(ctx context.Context, n int) (int, error) {
					cancel()
					return untilEnd(ctx, n)
				}, opts...)
				if !errors.As(err, new(*futures.WaitError)) || !errors.Is(err, context.Canceled) || out != nil {
					if bad++; bad == 1 {
						t.Errorf("got %v, %T: %v", out, err, err)
					}
				}
			}
			if bad > 0 {
				t.Errorf("%d of 200 times", bad)
			}
		})
	}
}

// TestMapSliceIsQuiet: its caller has got the failure, so nothing is left that
// nobody has asked for.
func TestMapSliceIsQuiet(t *testing.T) {
	for i := range 500 {
		var log bytes.Buffer
		pool := gopool.New(gopool.Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		var failing atomic.Bool
		_, err := futures.MapSlice(context.Background(), pool, []int{0, 1, 2}, func(ctx context.Context, n int) (int, error) {
			if n == 1 {
				failing.Store(true)
				return 0, errOurs
			}
			for !failing.Load() && ctx.Err() == nil {
				runtime.Gosched()
			}
			for range i % 10 {
				runtime.Gosched()
			}
			return 0, nil
		})
		pool.Close()
		if err != errOurs || log.Len() > 0 {
			t.Fatalf("round %d: %v, log: %s", i, err, &log)
		}
	}
}

// TestMapMisbehaves: panics, Goexit, typed nils and errors are their items' own,
// however items travel.
func TestMapMisbehaves(t *testing.T) {
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close()
	misbehave := func(_ context.Context, n int) (int, error) {
		switch n % 10 {
		case 3:
			runtime.Goexit()
		case 4:
			panic(n)
		case 5:
			return n, fmt.Errorf("refused %d: %w", n, errOurs)
		case 6:
			return n, (*custom)(nil)
		}
		return n, nil
	}
	check := func(t *testing.T, n, v int, err error) {
		t.Helper()
		p, _ := err.(*futures.PanicError)
		ok := false
		switch n % 10 {
		case 3:
			ok = p != nil && p.Goexit
		case 4:
			ok = p != nil && p.Value == n
		case 5:
			ok = err != nil && err.Error() == fmt.Sprintf("refused %d: ours", n)
		case 6:
			ok = err == error((*custom)(nil))
		default:
			ok = v == n && err == nil
		}
		if !ok || err != nil && v != 0 {
			t.Errorf("item %d: %v, %T", n, v, err)
		}
	}
	for chunk := range 12 {
		for _, window := range []int{0, 1, 7, 100} {
			var opts []futures.MapOption
			if chunk > 0 {
				opts = append(opts, futures.Chunk(chunk))
			}
			if window > 0 {
				opts = append(opts, futures.Window(window))
			}
			i := 0
			for v, err := range futures.Map(context.Background(), pool, numbers(50), misbehave, opts...) {
				check(t, i, v, err)
				i++
			}
			if i != 50 {
				t.Errorf("chunk %d, window %d: %d items", chunk, window, i)
			}
			var values []int
			failed := 0
			for v, err := range futures.Map(context.Background(), pool, numbers(50), misbehave, append(opts, futures.Unordered())...) {
				if err != nil {
					failed++
				} else {
					values = append(values, v)
				}
			}
			slices.Sort(values)
			if len(values) != 30 || failed != 20 || len(slices.Compact(values)) != 30 {
				t.Errorf("chunk %d, window %d, unordered: %v and %d failures", chunk, window, values, failed)
			}
		}
	}
}

// TestMapWindow: never more inputs are read ahead than Window says, however items
// travel, and never one too few.
func TestMapWindow(t *testing.T) {
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close()
	for _, window := range []int{1, 2, 5, 64} {
		for _, chunk := range []int{0, 1, 3, 1000} {
			for _, unordered := range []bool{false, true} {
				opts := []futures.MapOption{futures.Window(window)}
				if chunk > 0 {
					opts = append(opts, futures.Chunk(chunk))
				}
				if unordered {
					opts = append(opts, futures.Unordered())
				}
				pulled, taken := 0, 0
				inputs := func(yield func(int) bool) {
					for i := 0; ; i++ {
						if pulled++; pulled > taken+window {
							t.Fatalf("window %d, chunk %d: %d pulled with %d taken", window, chunk, pulled, taken)
						}
						if !yield(i) {
							return
						}
					}
				}
				for range futures.Map(context.Background(), pool, inputs, func(_ context.Context, n int) (int, error) { return n, nil }, opts...) {
					if taken++; taken == 300 {
						break
					}
				}
				if chunk <= 1 && !unordered && pulled != taken-1+window {
					t.Errorf("window %d, chunk %d: %d pulled with the %dth in hand", window, chunk, pulled, taken)
				}
			}
		}
	}
}

// TestMapInputs: a map may be ranged over again, an input may depend on the results
// before it, and what happens to the inputs happens to the loop.
func TestMapInputs(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	same := func(_ context.Context, n int) (int, error) { return n, nil }
	t.Run("again, and within itself", func(t *testing.T) {
		m := futures.Map(ctx, pool, numbers(7), same)
		pairs := 0
		for a := range m {
			for b := range m {
				if pairs++; b == a {
					break
				}
			}
		}
		if pairs != 1+2+3+4+5+6+7 {
			t.Errorf("%d pairs", pairs)
		}
	})
	t.Run("that depend on results", func(t *testing.T) {
		last, n := 0, 0
		for v := range futures.Map(ctx, pool, func(yield func(int) bool) {
			for last < 100 && yield(last+1) {
			}
		}, same, futures.Window(1)) {
			last = v
			n++
		}
		if n != 100 {
			t.Errorf("%d items", n)
		}
	})
	t.Run("that panic", func(t *testing.T) {
		defer func() {
			if v := recover(); v != "no more" {
				t.Errorf("recovered %v", v)
			}
		}()
		for range futures.Map(ctx, pool, func(yield func(int) bool) {
			yield(1)
			panic("no more")
		}, same) {
		}
	})
	t.Run("a body that panics", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pool := gopool.New(gopool.Options{Workers: 2})
			defer pool.Close()
			var running atomic.Int32
			defer func() {
				if v := recover(); v != "enough" || running.Load() != 0 {
					t.Errorf("recovered %v, %d still run", v, running.Load())
				}
			}()
			for range futures.Map(context.Background(), pool, numbers(0), func(ctx context.Context, n int) (int, error) {
				running.Add(1)
				defer running.Add(-1)
				if n == 0 {
					return 0, nil
				}
				return untilEnd(ctx, n)
			}, futures.Window(4)) {
				panic("enough")
			}
		})
	})
}
