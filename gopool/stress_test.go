package gopool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestStress mixes everything that a pool can do, with a few slots and a short
// queue, and checks G1, G2 and that every future is resolved.
func TestStress(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for range rounds {
		seed := rand.Uint64()
		t.Run("", func(t *testing.T) { stress(t, seed) })
	}
}

func stress(t *testing.T, seed uint64) {
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const most = 4 // slots
	workers := 1 + r.IntN(most)
	pool := gopool.New(gopool.Options{Workers: workers, Queue: 1 + r.IntN(40)})
	resize := r.IntN(2) == 0
	var running, submitted, resolved atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	var submit func(r *rand.Rand, ctx context.Context, depth int) *futures.Future[int]
	submit = func(r *rand.Rand, ctx context.Context, depth int) *futures.Future[int] {
		var ran atomic.Int32
		kind, seed := r.IntN(12), r.Uint64()
		if kind == 3 && depth > 0 {
			kind = 2 // who waits to be cancelled keeps a slot, which a task that is to cancel it may need
		}
		var opts []futures.Option
		if r.IntN(4) == 0 {
			opts = append(opts, futures.Priority(r.IntN(5)-2))
		}
		if kind == 7 {
			opts = append(opts, futures.Retry(futures.RetryPolicy{Max: 2}))
		}
		submitted.Add(1)
		f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			if n := running.Add(1); n > most {
				t.Errorf("G1: %d tasks run, seed %d", n, seed)
			}
			defer running.Add(-1)
			if n := ran.Add(1); n > 1 && kind != 7 {
				t.Errorf("G2: a task ran %d times, seed %d", n, seed)
			}
			r := rand.New(rand.NewPCG(seed, 1))
			switch kind {
			case 0:
				panic("stress")
			case 1:
				runtime.Goexit()
			case 2:
				runtime.Gosched()
			case 3:
				<-ctx.Done() // until somebody cancels: see below
				return 0, ctx.Err()
			case 4, 5, 6:
				if depth < 3 {
					var fs []*futures.Future[int]
					for range 1 + r.IntN(3) {
						running.Add(-1) // Submit may wait for room, without a slot
						fs = append(fs, submit(r, ctx, depth+1))
						running.Add(1)
					}
					running.Add(-1)
					switch kind {
					case 4:
						futures.Wait(ctx, futures.AllCompleted, fs...)
					case 5:
						for range futures.AsCompleted(ctx, fs...) {
						}
					case 6:
						futures.Gather(ctx, fs...)
					}
					running.Add(1)
				}
			case 7:
				return 0, errors.New("again")
			}
			return 1, nil
		}, opts...)
		f.OnDone(func(*futures.Future[int]) { resolved.Add(1) })
		if kind == 3 || r.IntN(8) == 0 {
			f.Cancel()
		}
		return f
	}

	var wg sync.WaitGroup
	for i := range 4 {
		r := rand.New(rand.NewPCG(seed, uint64(10+i)))
		wg.Go(func() {
			for range 100 {
				f := submit(r, ctx, 0)
				if r.IntN(3) == 0 {
					f.Result(ctx)
				}
				if resize && r.IntN(20) == 0 {
					if err := pool.Resize(1 + r.IntN(most)); err != nil {
						t.Error(err)
					}
				}
				pool.Inspect()
			}
		})
	}
	wg.Wait()
	if r.IntN(3) == 0 {
		stop()
		pool.Shutdown(ctx)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if submitted.Load() != resolved.Load() {
		t.Errorf("%d submitted, %d resolved, seed %d", submitted.Load(), resolved.Load(), seed)
	}
	if s := pool.Inspect(); s.Running+s.Waiting+s.Queued+s.Delayed+s.Blocked+len(s.Workers) != 0 {
		t.Errorf("left after Close: %+v", s)
	}
}
