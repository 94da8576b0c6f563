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
			return j.batches(func(n int) (sum int, err error) {
				// Each submitter has a group, as its results are its own.
				g := group(max(1, j.workers/j.submitters))
				results := make([]int, n)
				for i := range results {
					g.Go(func() (err error) {
						results[i], err = valueErr()
						return err
					})
				}
				if err := g.Wait(); err != nil {
					return 0, err
				}
				return total(results), nil
			})
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
