package goroutines

import (
	"sync"

	"github.com/futures-go/futures/bench/internal/harness"
)

// channelSize is a usual one for workers that are written by hand.
const channelSize = 1024

func channelWorkers() harness.System {
	return adapter{
		run: func(j *job) error { return runOnChannel(j, channelSize) },
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			tasks, wait := startWorkers(1, j.tasks+1)
			tasks <- func() { <-gate }
			err := j.submit(func(n int) error {
				for i := range n {
					tasks <- j.plain(i)
				}
				return nil
			})
			return func() error { close(tasks); wait(); return nil }, err
		},
	}.answers(harness.System{
		Name:  "channel-workers",
		About: "goroutines that range over a channel of functions with room for 1024",
		Find:  harness.Go,
	})
}

func channelUnbuffered() harness.System {
	return adapter{
		run: func(j *job) error { return runOnChannel(j, 0) },
	}.answers(harness.System{
		Name:     "channel-unbuffered",
		About:    "goroutines that range over a channel of functions without a buffer",
		Find:     harness.Go,
		Declines: map[string]string{queuedMemory: "has no queue"},
	})
}

// startWorkers starts goroutines that call what comes out of a channel, until that
// is closed; wait returns when they have ended.
func startWorkers(workers, room int) (tasks chan func(), wait func()) {
	tasks = make(chan func(), room)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for task := range tasks {
				task()
			}
		})
	}
	return tasks, wg.Wait
}

func runOnChannel(j *job, room int) error {
	tasks, wait := startWorkers(j.workers, room)
	err := j.submit(func(n int) error {
		for i := range n {
			tasks <- j.plain(i)
		}
		return nil
	})
	close(tasks)
	wait()
	return err
}

// channelResults is the floor of a future: the least that brings a result back to
// the one who submitted.
func channelResults() harness.System {
	type call struct {
		fn     func() int
		result chan int
	}
	start := func(workers, room int) (calls chan call, stop func()) {
		calls = make(chan call, room)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for c := range calls {
					c.result <- c.fn()
				}
			})
		}
		return calls, func() { close(calls); wg.Wait() }
	}
	return adapter{
		results: func(j *job) (int, error) {
			calls, stop := start(j.workers, channelSize)
			defer stop()
			return j.batches(func(n int) (sum int, err error) {
				results := make([]chan int, n)
				for i := range results {
					results[i] = make(chan int, 1)
					calls <- call{value, results[i]}
				}
				for _, c := range results {
					sum += <-c
				}
				return sum, nil
			})
		},
		caller: func(workers int) (func() (int, error), func()) {
			calls, stop := start(workers, channelSize)
			return func() (int, error) {
				result := make(chan int, 1)
				calls <- call{value, result}
				return <-result, nil
			}, stop
		},
		queue: func(j *job, gate <-chan struct{}) (func() error, error) {
			calls, stop := start(1, j.tasks+1)
			first := make(chan int, 1)
			calls <- call{func() int { <-gate; return 0 }, first}
			results := make([]chan int, j.tasks)
			counting, bare := func() int { j.counting(); return 1 }, func() int { j.bare(); return 1 }
			err := j.submit(func(n int) error {
				for i := range n {
					results[i] = make(chan int, 1)
					if i%sampleOf == 0 {
						calls <- call{counting, results[i]}
					} else {
						calls <- call{bare, results[i]}
					}
				}
				return nil
			})
			return func() error {
				sum := 0
				for _, c := range results {
					sum += <-c
				}
				stop()
				return addsUp(sum, j)
			}, err
		},
	}.answers(harness.System{
		Name:  "channel-results",
		About: "goroutines that range over a channel of functions with a result channel each",
		Find:  harness.Go,
	})
}
