package goroutines

import (
	"github.com/sourcegraph/conc/iter"
	"github.com/sourcegraph/conc/pool"

	"github.com/futures-go/futures/bench/internal/harness"
)

const concModule = "github.com/sourcegraph/conc"

func concPool() harness.System {
	return adapter{
		run: func(j *job) error {
			p := pool.New().WithMaxGoroutines(j.workers)
			err := j.submit(func(n int) error {
				for i := range n {
					p.Go(j.plain(i))
				}
				return nil
			})
			p.Wait()
			return err
		},
		caller: func(workers int) (func() (int, error), func()) {
			p := pool.New().WithMaxGoroutines(workers)
			return func() (int, error) {
				result := make(chan int, 1)
				p.Go(func() { result <- value() })
				return <-result, nil
			}, p.Wait
		},
		double: func(workers int, in []int) ([]int, error) {
			m := iter.Mapper[int, int]{MaxGoroutines: workers}
			return m.Map(in, func(n *int) int { return twice(*n) }), nil
		},
	}.answers(harness.System{
		Name:     "conc",
		About:    "conc's pool.Pool.Go; iter.Mapper for maps; a result channel where one result is read",
		Find:     harness.Module(concModule),
		Declines: map[string]string{queuedMemory: "blocks instead of queueing"},
	})
}

func concResults() harness.System {
	return adapter{
		results: func(j *job) (int, error) {
			p := pool.NewWithResults[int]().WithMaxGoroutines(j.workers)
			err := j.submit(func(n int) error {
				for range n {
					p.Go(value)
				}
				return nil
			})
			return total(p.Wait()), err
		},
		double: func(workers int, in []int) ([]int, error) {
			// Its results come in any order, so the elements are written in place.
			p := pool.New().WithMaxGoroutines(workers)
			out := make([]int, len(in))
			for i, n := range in {
				p.Go(func() { out[i] = twice(n) })
			}
			p.Wait()
			return out, nil
		},
	}.answers(harness.System{
		Name:     "conc-results",
		About:    "conc's pool.ResultPool; for maps a task of pool.Pool for each item",
		Find:     harness.Module(concModule),
		Declines: map[string]string{roundTrip: "a pool has one end, for all of its tasks", queuedMemory: "blocks instead of queueing"},
	})
}
