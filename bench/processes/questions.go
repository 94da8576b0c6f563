package processes

import (
	"fmt"

	"github.com/futures-go/futures/bench/internal/harness"
)

// The names of the questions, which the programs in Python know too.
const (
	roundTrip    = "process-round-trip"
	calls        = "process-calls"
	pipelined    = "process-pipelined"
	mapItem      = "process-map"
	echoes       = "process-echo"
	argument     = "process-argument"
	coldStart    = "process-cold-start"
	notice       = "process-notice"
	recovery     = "process-recovery"
	sums         = "process-sums"
	shortTask    = "process-short-task"
	idle         = "process-idle"
	cancel       = "process-cancel"
	byWorkers    = "process-by-workers"
	byQueued     = "process-by-queued"
	bySubmitters = "process-by-submitters"
)

var allQuestions = []string{
	roundTrip, calls, pipelined, mapItem, echoes, argument, coldStart, notice, recovery,
	sums, shortTask, idle, cancel, byWorkers, byQueued, bySubmitters,
}

// Group returns the questions about processes and the systems that answer them.
func Group() harness.Group {
	return harness.Group{
		Name:      "processes",
		Title:     "Pools of worker processes",
		Questions: questions(),
		Systems: append([]harness.System{
			sharedPool(), isolatedPool(), pluginNetRPC(), pluginGRPC(), netRPC(), barePipe(),
		}, pythonPeers()...),
		Serve: serve,
	}
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

func questions() []harness.Question {
	rate := []harness.Metric{{Unit: "tasks/s", Better: harness.Higher}}
	micros := []harness.Metric{{Unit: "us", Better: harness.Lower}}
	millis := []harness.Metric{{Unit: "ms", Better: harness.Lower}}
	placed := harness.Placed(harness.Case{Params: harness.Params{Workers: 2}})
	placed[0].Quick = true
	one := func(p harness.Params) []harness.Case { return []harness.Case{{Params: p, Quick: true}} }
	return []harness.Question{
		{
			Name: roundTrip,
			Asks: "How long is it from submitting an empty task to its result from a process, one at a time, on 2 workers, by placement?",
			Metrics: []harness.Metric{
				{Name: "p50", Unit: "us", Better: harness.Lower},
				{Name: "p99", Unit: "us", Better: harness.Lower},
			},
			Cases: placed,
		},
		{
			Name:    calls,
			Asks:    "How many empty tasks a second do 64 goroutines or threads get done on 2 workers, each waiting for its own?",
			Metrics: rate,
			Cases:   one(harness.Params{Workers: 2, Submitters: 64}),
		},
		{
			Name:    pipelined,
			Asks:    "How many empty tasks a second are done on 2 workers with 256 in flight, from one submitter in Python, from four where there are futures and from 256 that wait elsewhere?",
			Metrics: rate,
			Cases:   one(harness.Params{Workers: 2, InFlight: 256}),
		},
		{
			Name:    mapItem,
			Asks:    "What does an item of a map cost that does next to nothing, in ns an item, on 2 workers?",
			Metrics: []harness.Metric{{Unit: "ns", Better: harness.Lower}},
			Cases: []harness.Case{
				{Name: "10^4 items", Params: harness.Params{Workers: 2, Tasks: 10_000}, Quick: true},
				{Name: "10^5 items", Params: harness.Params{Workers: 2, Tasks: 100_000}},
				{Name: "10^6 items", Params: harness.Params{Workers: 2, Tasks: 1_000_000}},
			},
		},
		{
			Name:    echoes,
			Asks:    "How many tasks a second take bytes and return them, on 2 workers with 16 in flight?",
			Metrics: rate,
			Cases: []harness.Case{
				{Name: "1 KiB", Params: harness.Params{Workers: 2, InFlight: 16, Payload: kib}},
				{Name: "64 KiB", Params: harness.Params{Workers: 2, InFlight: 16, Payload: 64 * kib}, Quick: true},
				{Name: "1 MiB", Params: harness.Params{Workers: 2, InFlight: 16, Payload: mib}},
			},
		},
		{
			Name:    argument,
			Asks:    "How long does a task take whose argument is bytes and whose result is their number, one at a time, by the size of the argument?",
			Metrics: micros,
			Grows:   "bytes",
			Cases: harness.Growth([]int{16, kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib, 16 * mib, 64 * mib}, []int{64 * mib}, func(n int) harness.Params {
				return harness.Params{Workers: 1, Payload: n}
			}),
		},
		{
			Name:    coldStart,
			Asks:    "How long does it take to make a pool of 2 workers and get a first result? A process in Go is the benchmark itself, which takes longer to start than a small program does.",
			Metrics: millis,
			Cases:   one(harness.Params{Workers: 2}),
		},
		{
			Name:    notice,
			Asks:    "How long does it take until the future of a task fails whose process is killed (SIGKILL)?",
			Metrics: millis,
			Cases:   one(harness.Params{}),
		},
		{
			Name: recovery,
			Asks: "A pool's only worker is killed (SIGKILL) in a task while 16 others are queued: how long does it take until the next result, from a new pool if this one is of no use any more, and how many tasks have none in the end?",
			Metrics: []harness.Metric{
				{Name: "next", Unit: "ms", Better: harness.Lower},
				{Name: "lost", Unit: "tasks", Better: harness.Lower},
			},
			Cases: one(harness.Params{Tasks: 16}),
		},
		{
			Name:    sums,
			Asks:    "How many times faster are 8 sums, CPU-bound, on 2 workers than one after the other in the program itself?",
			Metrics: []harness.Metric{{Unit: "times", Better: harness.Higher}},
			Cases:   one(harness.Params{Workers: 2}),
		},
		{
			Name: shortTask,
			Asks: "How long does an empty task take on 2 workers, of which one always has a task of 20 ms?",
			Metrics: []harness.Metric{
				{Name: "p50", Unit: "ms", Better: harness.Lower},
				{Name: "p99", Unit: "ms", Better: harness.Lower},
			},
			Cases: one(harness.Params{Workers: 2}),
		},
		{
			Name: idle,
			Asks: "What do the processes of a pool that is idle have of memory of their own, all of them together for each worker, and take of the processors, with the process that has the pool? A process in Go is the benchmark itself; to look takes some tenths of a millisecond.",
			Metrics: []harness.Metric{
				{Name: "memory", Unit: "MiB", Better: harness.Lower},
				{Name: "processor", Unit: "ms/s", Better: harness.Lower},
			},
			Cases: []harness.Case{
				{Name: "2 workers", Params: harness.Params{Workers: 2}, Quick: true},
				{Name: "64 workers", Params: harness.Params{Workers: 64}},
			},
		},
		{
			Name:    cancel,
			Asks:    "How long does it take to cancel a task that is queued behind another, of 1000?",
			Metrics: []harness.Metric{{Unit: "ns", Better: harness.Lower}},
			Cases:   one(harness.Params{Workers: 1, Tasks: 1000}),
		},
		{
			Name:    byWorkers,
			Asks:    fmt.Sprintf("How does the number of empty tasks a second grow with the workers, as %s asks?", pipelined),
			Metrics: rate,
			Grows:   "workers",
			Cases: harness.Growth([]int{1, 2, 4, 8, 16, 32, 64}, []int{8}, func(n int) harness.Params {
				return harness.Params{Workers: n, InFlight: 256}
			}),
		},
		{
			Name:    byQueued,
			Asks:    "How long does an empty task take, in us a task, if all are submitted before the first result is read, on 2 workers, by the number of them?",
			Metrics: micros,
			Grows:   "queued tasks",
			Cases: harness.Growth([]int{1_000, 10_000, 100_000, 1_000_000}, []int{1_000}, func(n int) harness.Params {
				return harness.Params{Workers: 2, Tasks: n}
			}),
		},
		{
			Name:    bySubmitters,
			Asks:    fmt.Sprintf("How does the number of empty tasks a second grow with the submitters, as %s asks?", calls),
			Metrics: rate,
			Grows:   "submitters",
			Cases: harness.Growth([]int{1, 4, 16, 64, 256}, []int{4}, func(n int) harness.Params {
				return harness.Params{Workers: 2, Submitters: n}
			}),
		},
	}
}
