package goroutines

import (
	"github.com/samber/lo"
	"github.com/samber/lo/parallel"

	"github.com/futures-go/futures/bench/internal/harness"
)

func loAsync() harness.System {
	return adapter{
		unbounded: true,
		results: func(j *job) (int, error) {
			return j.batches(func(n int) (sum int, err error) {
				results := make([]<-chan int, n)
				for i := range results {
					results[i] = lo.Async(value)
				}
				for _, c := range results {
					sum += <-c
				}
				return sum, nil
			})
		},
		caller: func(int) (func() (int, error), func()) {
			return func() (int, error) { return <-lo.Async(value), nil }, func() {}
		},
		double: func(_ int, in []int) ([]int, error) {
			return parallel.Map(in, func(n, _ int) int { return twice(n) }), nil
		},
	}.answers(harness.System{
		Name:  "lo",
		About: "lo.Async for results; lo's parallel.Map, a goroutine for each item, for maps",
		Find:  harness.Module("github.com/samber/lo"),
	})
}
