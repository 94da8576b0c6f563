package goroutines

import (
	"context"
	"errors"
	"slices"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/gopool"
)

const oursModule = "github.com/futures-go/futures"

// A task of this library always has a result.
type ourTask = func(context.Context) (int, error)

// ourTasks are a job's tasks in our shape.
func ourTasks(j *job) (counting, bare ourTask) {
	counting = func(context.Context) (int, error) { j.counting(); return 1, nil }
	bare = func(context.Context) (int, error) { j.bare(); return 1, nil }
	return counting, bare
}

func gopoolSubmit() harness.System {
	ctx := context.Background()
	return adapter{
		run: func(j *job) error {
			pool := gopool.New(gopool.Options{Workers: j.workers})
			counting, bare := ourTasks(j)
			err := j.submit(func(n int) error {
				for i := range n {
					task := bare
					if i%sampleOf == 0 {
						task = counting
					}
					futures.Submit(ctx, pool, task)
				}
				return nil
			})
			return errors.Join(err, pool.Close())
		},
		results: func(j *job) (int, error) {
			pool := gopool.New(gopool.Options{Workers: j.workers})
			defer pool.Close()
			return j.batches(func(n int) (sum int, err error) {
				fs := make([]*futures.Future[int], n)
				for i := range fs {
					fs[i] = futures.Submit(ctx, pool, valueCtx)
				}
				return readAll(ctx, fs)
			})
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool := gopool.New(gopool.Options{Workers: workers})
			return func() (int, error) { return futures.Submit(ctx, pool, valueCtx).Result(ctx) }, func() { pool.Close() }
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			pool := gopool.New(gopool.Options{Workers: 1, Queue: j.tasks + 1})
			futures.Submit(ctx, pool, func(context.Context) (int, error) { <-gate; return 0, nil })
			counting, bare := ourTasks(j)
			fs := make([]*futures.Future[int], j.tasks)
			err := j.submit(func(n int) error {
				for i := range n {
					task := bare
					if i%sampleOf == 0 {
						task = counting
					}
					fs[i] = futures.Submit(ctx, pool, task)
				}
				return nil
			})
			return func() error {
				sum, err := readAll(ctx, fs)
				return errors.Join(err, pool.Close(), addsUp(sum, j))
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
		Find:  harness.Module(oursModule),
	})
}

// readAll returns the sum of the results.
func readAll(ctx context.Context, fs []*futures.Future[int]) (sum int, err error) {
	for _, f := range fs {
		v, err := f.Result(ctx)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// identity is a registered function: what it costs that a task could run anywhere.
var identity = futures.Define("bench.identity", func(_ context.Context, n int) (int, error) { return n, nil })

func gopoolFunc() harness.System {
	ctx := context.Background()
	return adapter{
		results: func(j *job) (int, error) {
			pool := gopool.New(gopool.Options{Workers: j.workers})
			defer pool.Close()
			return j.batches(func(n int) (sum int, err error) {
				fs := make([]*futures.Future[int], n)
				for i := range fs {
					fs[i] = identity.Submit(ctx, pool, 1)
				}
				return readAll(ctx, fs)
			})
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool := gopool.New(gopool.Options{Workers: workers})
			return func() (int, error) { return identity.Submit(ctx, pool, 1).Result(ctx) }, func() { pool.Close() }
		},
	}.answers(harness.System{
		Name:  "gopool-func",
		About: "Func.Submit, a registered function, on a gopool, and Future.Result",
		Ours:  true,
		Find:  harness.Module(oursModule),
	})
}

func gopoolMap() harness.System {
	ctx := context.Background()
	return adapter{
		double: func(workers int, in []int) ([]int, error) {
			pool := gopool.New(gopool.Options{Workers: workers})
			defer pool.Close()
			out := make([]int, 0, len(in))
			for v, err := range futures.Map(ctx, pool, slices.Values(in), twiceCtx) {
				if err != nil {
					return nil, err
				}
				out = append(out, v)
			}
			return out, nil
		},
	}.answers(harness.System{
		Name:  "gopool-map",
		About: "futures.Map on a gopool: lazy, over a sequence",
		Ours:  true,
		Find:  harness.Module(oursModule),
	})
}
