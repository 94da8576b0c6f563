package goroutines

import (
	"sync"

	"github.com/futures-go/futures/bench/internal/harness"
)

// loop is what every pool must beat to be worth its while: no concurrency at all.
func loop() harness.System {
	return adapter{
		unbounded: true,
		run: func(j *job) error {
			return j.submit(func(n int) error {
				for i := range n {
					j.plain(i)()
				}
				return nil
			})
		},
		double: func(_ int, in []int) ([]int, error) {
			out := make([]int, len(in))
			for i, n := range in {
				out[i] = twice(n)
			}
			return out, nil
		},
	}.answers(harness.System{
		Name:  "loop",
		About: "a loop that calls the function, on the submitters' goroutines",
		Find:  harness.Go,
	})
}

func goStatement() harness.System {
	return adapter{
		unbounded: true,
		run: func(j *job) error {
			var wg sync.WaitGroup
			err := j.submit(func(n int) error {
				for i := range n {
					wg.Go(j.plain(i))
				}
				return nil
			})
			wg.Wait()
			return err
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			var wg sync.WaitGroup
			err := j.submit(func(n int) error {
				for i := range n {
					wg.Go(func() {
						<-gate
						j.plain(i)()
					})
				}
				return nil
			})
			return func() error { wg.Wait(); return nil }, err
		},
		double: func(workers int, in []int) ([]int, error) {
			out := make([]int, len(in))
			var wg sync.WaitGroup
			for w := range workers {
				from, to := len(in)*w/workers, len(in)*(w+1)/workers
				wg.Go(func() {
					for i := from; i < to; i++ {
						out[i] = twice(in[i])
					}
				})
			}
			wg.Wait()
			return out, nil
		},
	}.answers(harness.System{
		Name:  "go",
		About: "a go statement for each task and a sync.WaitGroup; for maps one for each half",
		Find:  harness.Go,
	})
}

func goResults() harness.System {
	return adapter{
		unbounded: true,
		results: func(j *job) (int, error) {
			return j.batches(func(n int) (sum int, err error) {
				results := make([]chan int, n)
				for i := range results {
					c := make(chan int, 1)
					results[i] = c
					go func() { c <- value() }()
				}
				for _, c := range results {
					sum += <-c
				}
				return sum, nil
			})
		},
		caller: func(int) (func() (int, error), func()) {
			call := func() (int, error) {
				c := make(chan int, 1)
				go func() { c <- value() }()
				return <-c, nil
			}
			return call, func() {}
		},
	}.answers(harness.System{
		Name:  "go-results",
		About: "a go statement and a result channel for each task",
		Find:  harness.Go,
	})
}
