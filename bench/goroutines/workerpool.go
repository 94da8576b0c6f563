package goroutines

import (
	"github.com/gammazero/workerpool"

	"github.com/futures-go/futures/bench/internal/harness"
)

func workerpools() harness.System {
	return adapter{
		run: func(j *job) error {
			pool := workerpool.New(j.workers)
			err := j.submit(func(n int) error {
				for i := range n {
					pool.Submit(j.plain(i))
				}
				return nil
			})
			pool.StopWait()
			return err
		},
		caller: func(workers int) (func() (int, error), func()) {
			pool := workerpool.New(workers)
			return func() (v int, err error) {
				pool.SubmitWait(func() { v = value() })
				return v, nil
			}, pool.StopWait
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			pool := workerpool.New(1)
			pool.Submit(func() { <-gate })
			err := j.submit(func(n int) error {
				for i := range n {
					pool.Submit(j.plain(i))
				}
				return nil
			})
			return func() error { pool.StopWait(); return nil }, err
		},
		double: func(workers int, in []int) ([]int, error) {
			pool := workerpool.New(workers)
			out := make([]int, len(in))
			for i, n := range in {
				pool.Submit(func() { out[i] = twice(n) })
			}
			pool.StopWait()
			return out, nil
		},
	}.answers(harness.System{
		Name:  "workerpool",
		About: "gammazero's WorkerPool: Submit, SubmitWait, StopWait",
		Find:  harness.Module("github.com/gammazero/workerpool"),
	})
}
