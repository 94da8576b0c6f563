package goroutines

import (
	"errors"
	"sync"

	"github.com/panjf2000/ants/v2"

	"github.com/futures-go/futures/bench/internal/harness"
)

const antsModule = "github.com/panjf2000/ants/v2"

// antsBlock is why ants has no queue to weigh.
var antsBlock = map[string]string{queuedMemory: "blocks instead of queueing"}

// antsTask is a task as the README's examples write it: with the WaitGroup that tells
// when all have run, because the pool does not.
func antsTask(wg *sync.WaitGroup, task func()) func() {
	return func() {
		task()
		wg.Done()
	}
}

func antsSubmit() harness.System {
	return adapter{
		run: func(j *job) error {
			pool, err := ants.NewPool(j.workers)
			if err != nil {
				return err
			}
			defer pool.Release()
			var wg sync.WaitGroup
			counting, bare := antsTask(&wg, j.counting), antsTask(&wg, j.bare)
			err = j.submit(func(n int) error {
				for i := range n {
					task := bare
					if i%sampleOf == 0 {
						task = counting
					}
					wg.Add(1)
					if err := pool.Submit(task); err != nil {
						return err
					}
				}
				return nil
			})
			wg.Wait()
			return err
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool, failed := ants.NewPool(workers)
			if failed != nil {
				return func() (int, error) { return 0, failed }, func() {}
			}
			return func() (int, error) {
				result := make(chan int, 1)
				err := pool.Submit(func() { result <- value() })
				if err != nil {
					return 0, err
				}
				return <-result, nil
			}, pool.Release
		},
		double: func(workers int, in []int) ([]int, error) {
			pool, err := ants.NewPool(workers)
			if err != nil {
				return nil, err
			}
			defer pool.Release()
			out := make([]int, len(in))
			var wg sync.WaitGroup
			for i, n := range in {
				wg.Add(1)
				err = errors.Join(err, pool.Submit(func() {
					out[i] = twice(n)
					wg.Done()
				}))
			}
			wg.Wait()
			return out, err
		},
	}.answers(harness.System{
		Name:     "ants",
		About:    "ants.Pool.Submit and a sync.WaitGroup; a result channel where one result is read",
		Find:     harness.Module(antsModule),
		Declines: antsBlock,
	})
}

func antsGeneric() harness.System {
	return adapter{
		run: func(j *job) error {
			var wg sync.WaitGroup
			pool, err := ants.NewPoolWithFuncGeneric(j.workers, func(i int) {
				j.plain(i)()
				wg.Done()
			})
			if err != nil {
				return err
			}
			defer pool.Release()
			err = j.submit(func(n int) error {
				for i := range n {
					wg.Add(1)
					if err := pool.Invoke(i); err != nil {
						return err
					}
				}
				return nil
			})
			wg.Wait()
			return err
		},
	}.answers(harness.System{
		Name:     "ants-generic",
		About:    "ants.PoolWithFuncGeneric.Invoke: one function for all tasks",
		Find:     harness.Module(antsModule),
		Declines: antsBlock,
	})
}
