package goroutines

import (
	"golang.org/x/sync/errgroup"

	"github.com/futures-go/futures/bench/internal/harness"
)

func errgroups() harness.System {
	group := func(workers int) *errgroup.Group {
		var g errgroup.Group
		g.SetLimit(workers)
		return &g
	}
	return adapter{
		run: func(j *job) error {
			g := group(j.workers)
			if err := j.submit(func(n int) error {
				for i := range n {
					g.Go(j.withErr(i))
				}
				return nil
			}); err != nil {
				return err
			}
			return g.Wait()
		},
		results: func(j *job) (int, error) {
			g := group(j.workers)
			results := make([]int, j.tasks)
			if err := j.submitRanges(func(from, to int) error {
				for i := from; i < to; i++ {
					g.Go(func() (err error) {
						results[i], err = valueErr()
						return err
					})
				}
				return nil
			}); err != nil {
				return 0, err
			}
			err := g.Wait()
			return total(results), err
		},
		double: func(workers int, in []int) ([]int, error) {
			g := group(workers)
			out := make([]int, len(in))
			for i, n := range in {
				g.Go(func() error {
					out[i] = twice(n)
					return nil
				})
			}
			return out, g.Wait()
		},
	}.answers(harness.System{
		Name:  "errgroup",
		About: "errgroup.Group with SetLimit; results in a slice that is read after Wait",
		Find:  harness.Module("golang.org/x/sync"),
		Declines: map[string]string{
			queuedMemory: "blocks instead of queueing",
			roundTrip:    "a group has one end, for all of its tasks",
		},
	})
}
