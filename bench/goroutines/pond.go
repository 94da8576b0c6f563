package goroutines

import (
	"github.com/alitto/pond/v2"

	"github.com/futures-go/futures/bench/internal/harness"
)

const pondModule = "github.com/alitto/pond/v2"

func pondGo() harness.System {
	return adapter{
		run: func(j *job) error {
			pool := pond.NewPool(j.workers)
			err := j.submit(func(n int) error {
				for i := range n {
					if err := pool.Go(j.plain(i)); err != nil {
						return err
					}
				}
				return nil
			})
			pool.StopAndWait()
			return err
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			pool := pond.NewPool(1)
			if err := pool.Go(func() { <-gate }); err != nil {
				return nil, err
			}
			err := j.submit(func(n int) error {
				for i := range n {
					if err := pool.Go(j.plain(i)); err != nil {
						return err
					}
				}
				return nil
			})
			return func() error { pool.StopAndWait(); return nil }, err
		},
	}.answers(harness.System{
		Name:  "pond",
		About: "pond.Pool.Go, which gives no handle of the task",
		Find:  harness.Module(pondModule),
	})
}

func pondResults() harness.System {
	return adapter{
		results: func(j *job) (int, error) {
			pool := pond.NewResultPool[int](j.workers)
			defer pool.StopAndWait()
			return j.batches(func(n int) (sum int, err error) {
				tasks := make([]pond.ResultTask[int], n)
				for i := range tasks {
					tasks[i] = pool.Submit(value)
				}
				for _, task := range tasks {
					v, err := task.Wait()
					if err != nil {
						return 0, err
					}
					sum += v
				}
				return sum, nil
			})
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool := pond.NewResultPool[int](workers)
			return func() (int, error) { return pool.Submit(value).Wait() }, pool.StopAndWait
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			pool := pond.NewResultPool[int](1)
			pool.Submit(func() int { <-gate; return 0 })
			counting, bare := func() int { j.counting(); return 1 }, func() int { j.bare(); return 1 }
			tasks := make([]pond.ResultTask[int], j.tasks)
			err := j.submit(func(n int) error {
				for i := range n {
					if i%sampleOf == 0 {
						tasks[i] = pool.Submit(counting)
					} else {
						tasks[i] = pool.Submit(bare)
					}
				}
				return nil
			})
			return func() error {
				sum := 0
				for _, task := range tasks {
					v, err := task.Wait()
					if err != nil {
						return err
					}
					sum += v
				}
				pool.StopAndWait()
				return addsUp(sum, j)
			}, err
		},
		double: func(workers int, in []int) ([]int, error) {
			pool := pond.NewResultPool[int](workers)
			defer pool.StopAndWait()
			group := pool.NewGroup()
			for _, n := range in {
				group.Submit(func() int { return twice(n) })
			}
			return group.Wait()
		},
	}.answers(harness.System{
		Name:  "pond-results",
		About: "pond.ResultPool.Submit and Wait; a group for maps",
		Find:  harness.Module(pondModule),
	})
}
