package goroutines

import (
	"sync"

	"github.com/futures-go/futures/bench/internal/harness"
)

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
	}.answers(harness.System{
		Name:  "go",
		About: "a go statement for each task and a sync.WaitGroup",
		Find:  harness.Go,
	})
}

// channelSize is the usual one of those who write workers by hand.
const channelSize = 1024

func channelWorkers() harness.System {
	return adapter{
		run: func(j *job) error { return runOnChannel(j, channelSize) },
	}.answers(harness.System{
		Name:  "channel-workers",
		About: "workers that range over a channel of functions, with room for 1024",
		Find:  harness.Go,
	})
}

func runOnChannel(j *job, size int) error {
	tasks := make(chan func(), size)
	var wg sync.WaitGroup
	for range j.workers {
		wg.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	err := j.submit(func(n int) error {
		for i := range n {
			tasks <- j.plain(i)
		}
		return nil
	})
	close(tasks)
	wg.Wait()
	return err
}
