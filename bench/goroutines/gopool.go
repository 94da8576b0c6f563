package goroutines

import (
	"context"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/gopool"
)

func gopoolSubmit() harness.System {
	ctx := context.Background()
	// A task of this library always has a result; the one of a task that should
	// record its run is not looked at.
	record := func(j *job) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { j.counting(); return 1, nil }
	}
	bare := func(j *job) func(context.Context) (int, error) {
		return func(context.Context) (int, error) { j.bare(); return 1, nil }
	}
	return adapter{
		run: func(j *job) error {
			pool := gopool.New(gopool.Options{Workers: j.workers})
			counting, task := record(j), bare(j)
			err := j.submit(func(n int) error {
				for i := range n {
					if i%sampleOf == 0 {
						futures.Submit(ctx, pool, counting)
					} else {
						futures.Submit(ctx, pool, task)
					}
				}
				return nil
			})
			pool.Close()
			return err
		},
		results: func(j *job) (int, error) {
			pool := gopool.New(gopool.Options{Workers: j.workers})
			defer pool.Close()
			return j.batches(func(n int) (sum int, err error) {
				fs := make([]*futures.Future[int], n)
				for i := range fs {
					fs[i] = futures.Submit(ctx, pool, valueCtx)
				}
				for _, f := range fs {
					v, err := f.Result(ctx)
					if err != nil {
						return 0, err
					}
					sum += v
				}
				return sum, nil
			})
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool := gopool.New(gopool.Options{Workers: workers})
			return func() (int, error) { return futures.Submit(ctx, pool, valueCtx).Result(ctx) }, func() { pool.Close() }
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			pool := gopool.New(gopool.Options{Workers: 1, Queue: j.tasks + 1})
			futures.Submit(ctx, pool, func(context.Context) (int, error) { <-gate; return 0, nil })
			counting, task := record(j), bare(j)
			fs := make([]*futures.Future[int], j.tasks)
			err := j.submit(func(n int) error {
				for i := range n {
					if i%sampleOf == 0 {
						fs[i] = futures.Submit(ctx, pool, counting)
					} else {
						fs[i] = futures.Submit(ctx, pool, task)
					}
				}
				return nil
			})
			return func() error {
				_, err := futures.Gather(ctx, fs...)
				pool.Close()
				return err
			}, err
		},
		double: func(workers int, in []int) ([]int, error) {
			pool := gopool.New(gopool.Options{Workers: workers})
			defer pool.Close()
			return futures.MapSlice(ctx, pool, in, twiceCtx)
		},
	}.answers(harness.System{
		Name:  "gopool",
		About: "futures.Submit on a gopool, Future.Result where results are read; MapSlice for maps",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}
