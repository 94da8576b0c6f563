package goroutines

import (
	"fmt"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// The names of the questions.
const (
	emptyTask     = "empty-task"
	resultTask    = "result-task"
	shortTasks    = "short-tasks"
	garbage       = "garbage"
	resultGarbage = "result-garbage"
	roundTrip     = "round-trip"
	queuedMemory  = "queued-memory"
	mapItem       = "map-item"
	byWorkers     = "by-workers"
	bySubmitters  = "by-submitters"
)

// anyWorkers is the number of workers at which systems are asked that have none.
const anyWorkers = 2

// Group returns the questions about goroutines and the systems that answer them.
func Group() harness.Group {
	return harness.Group{
		Name:      "goroutines",
		Title:     "Pools of goroutines",
		Questions: questions(),
		Systems: []harness.System{
			gopoolSubmit(), gopoolFunc(), gopoolMap(),
			loop(), goStatement(), goResults(),
			channelWorkers(), channelUnbuffered(), channelResults(),
			errgroups(),
			antsSubmit(), antsGeneric(),
			pondGo(), pondResults(),
			concPool(), concResults(),
			workerpools(),
			loAsync(),
			javaPool("java-forkjoin", "forkjoin", "java.util.concurrent.ForkJoinPool: execute, submit and get; a parallel stream for maps", 8),
			javaPool("java-fixed", "fixed", "Executors.newFixedThreadPool: execute, submit and get", 8),
			javaPool("java-virtual", "virtual", "Executors.newVirtualThreadPerTaskExecutor: execute, submit and get", 21),
			rayon(), tokio(),
		},
	}
}

func questions() []harness.Question {
	ns := []harness.Metric{{Unit: "ns", Better: harness.Lower}}
	garbageMetrics := []harness.Metric{
		{Name: "bytes", Unit: "bytes", Better: harness.Lower},
		{Name: "allocations", Unit: "allocations", Better: harness.Lower},
	}
	return []harness.Question{
		{
			Name:    emptyTask,
			Asks:    "What does an empty task cost whose result nobody reads, in ns a task, by workers x submitters?",
			Metrics: ns,
			Cases:   grid(0),
		},
		{
			Name:    resultTask,
			Asks:    "What does an empty task cost whose result is read, in ns a task, by workers x submitters, each with at most 4096 results unread, or all of them where only a group as a whole can be waited for?",
			Metrics: ns,
			Cases:   grid(0),
		},
		{
			Name:    shortTasks,
			Asks:    "What does a task cost that computes for 1 or 10 us, in us a task, by workers x submitters? Work shared by n cores takes 1/n of its time.",
			Metrics: []harness.Metric{{Unit: "us", Better: harness.Lower}},
			Cases: []harness.Case{
				{Name: "1us 2x1", Params: harness.Params{Workers: 2, Submitters: 1, Work: time.Microsecond}, Quick: true},
				{Name: "1us 8x64", Params: harness.Params{Workers: 8, Submitters: 64, Work: time.Microsecond}},
				{Name: "10us 2x1", Params: harness.Params{Workers: 2, Submitters: 1, Work: 10 * time.Microsecond}, Quick: true},
				{Name: "10us 8x64", Params: harness.Params{Workers: 8, Submitters: 64, Work: 10 * time.Microsecond}},
			},
		},
		{
			Name:    garbage,
			Asks:    "What does an empty task allocate whose result nobody reads, a task?",
			Metrics: garbageMetrics,
			Cases:   []harness.Case{{Params: harness.Params{Workers: 2, Submitters: 1, Tasks: 200_000}, Quick: true}},
		},
		{
			Name:    resultGarbage,
			Asks:    "What does an empty task allocate whose result is read, a task?",
			Metrics: garbageMetrics,
			Cases:   []harness.Case{{Params: harness.Params{Workers: 2, Submitters: 1, Tasks: 200_000}, Quick: true}},
		},
		{
			Name: roundTrip,
			Asks: "How long is it from submitting an empty task to its result, one at a time, without a pause and with one of 1 ms before each, by placement?",
			Metrics: []harness.Metric{
				{Name: "p50", Unit: "ns", Better: harness.Lower},
				{Name: "p99", Unit: "ns", Better: harness.Lower},
			},
			Cases: roundTrips(),
		},
		{
			Name: queuedMemory,
			Asks: "What does a task weigh that waits in a queue, in bytes a task, and how long does it take to put it there, by the number of them?",
			Metrics: []harness.Metric{
				{Name: "bytes", Unit: "bytes", Better: harness.Lower},
				{Name: "time", Unit: "ns", Better: harness.Lower},
			},
			Grows: "queued tasks",
			Cases: harness.Growth([]int{1_000, 10_000, 100_000, 1_000_000, 10_000_000}, []int{1_000, 100_000}, func(n int) harness.Params {
				return harness.Params{Workers: 1, Submitters: 1, Tasks: n}
			}),
		},
		{
			Name:    mapItem,
			Asks:    "What does an item of a map cost, in ns an item, whose function is opaque and does next to nothing?",
			Metrics: ns,
			Cases: []harness.Case{
				{Name: "10^5 items", Params: harness.Params{Workers: 2, Tasks: 100_000}, Quick: true},
				{Name: "10^6 items", Params: harness.Params{Workers: 2, Tasks: 1_000_000}},
			},
		},
		{
			Name:    byWorkers,
			Asks:    "How does the cost of an empty task whose result nobody reads grow with the workers, in ns a task, from 8 submitters?",
			Metrics: ns,
			Grows:   "workers",
			Cases: harness.Growth([]int{1, 2, 4, 8, 16, 64, 256, 1000}, []int{1, 1000}, func(n int) harness.Params {
				return harness.Params{Workers: n, Submitters: 8}
			}),
		},
		{
			Name:    bySubmitters,
			Asks:    "How does the cost of an empty task whose result nobody reads grow with the submitters, in ns a task, on 2 workers?",
			Metrics: ns,
			Grows:   "submitters",
			Cases: harness.Growth([]int{1, 2, 4, 16, 64, 256}, []int{256}, func(n int) harness.Params {
				return harness.Params{Workers: anyWorkers, Submitters: n}
			}),
		},
	}
}

// grid returns the cases of workers x submitters.
func grid(work time.Duration) []harness.Case {
	var cases []harness.Case
	for _, workers := range []int{2, 8, 64} {
		for _, submitters := range []int{1, 64} {
			cases = append(cases, harness.Case{
				Name:   fmt.Sprintf("%dx%d", workers, submitters),
				Params: harness.Params{Workers: workers, Submitters: submitters, Work: work},
				Quick:  workers == 2 && submitters == 1 || workers == 8 && submitters == 64,
			})
		}
	}
	return cases
}

func roundTrips() []harness.Case {
	cases := harness.Placed(harness.Case{Params: harness.Params{Workers: 2}})
	cases[0].Quick = true
	paused := harness.Placed(harness.Case{Name: "pause", Params: harness.Params{Workers: 2, Pause: time.Millisecond}})
	return append(cases, paused...)
}
