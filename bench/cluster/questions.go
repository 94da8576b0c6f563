package cluster

import (
	"fmt"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// The names of the questions.
const (
	embedded   = "cluster-embedded"
	onDisk     = "cluster-fsync"
	processes  = "cluster-processes"
	replicated = "cluster-replicas"
	queuedSize = "cluster-queued-memory"
	recovery   = "cluster-recovery"
	byPayload  = "cluster-by-payload"
	byInFlight = "cluster-by-in-flight"
)

// Group returns the questions about clusters and the systems that answer them.
func Group() harness.Group {
	return harness.Group{
		Name:      "cluster",
		Title:     "Tasks on a cluster",
		Questions: questions(),
		Systems:   []harness.System{ours(), engineByHand(), groupCommit(), asynqOnRedis(), riverOnSQLite()},
		Serve:     serve,
	}
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// small is the bytes of an argument where the question is not about them.
const small = 64

func questions() []harness.Question {
	loop := []harness.Metric{
		{Name: "rate", Unit: "tasks/s", Better: harness.Higher},
		{Name: "p50", Unit: "us", Better: harness.Lower},
		{Name: "p99", Unit: "us", Better: harness.Lower},
	}
	return []harness.Question{
		{
			Name:    embedded,
			Asks:    "How many tasks a second take 64 bytes and return them, and how long is it from submitting one to its result, with so many in flight, if server, client and worker are in one process and the server writes files?",
			Metrics: loop,
			Cases:   inFlight(),
		},
		{
			Name:    onDisk,
			Asks:    "The same, if the server acknowledges nothing that is not on the disk (fsync); in one process, but for a server that is a program of its own.",
			Metrics: loop,
			Cases:   inFlight(),
		},
		{
			Name:    processes,
			Asks:    "The same, if server, client and worker are three processes, which talk over the loopback; two if the server is a file.",
			Metrics: loop,
			Cases:   inFlight(),
		},
		{
			Name:    replicated,
			Asks:    "The same, if three servers, each a process on this machine, keep everything three times.",
			Metrics: loop,
			Cases:   inFlight(),
			Heavy:   true, // the servers have to find each other
		},
		{
			Name:    queuedSize,
			Asks:    "What does a task of 64 bytes weigh in its client while it is queued on a server in another process, in live bytes a task, with what waits for its result?",
			Metrics: []harness.Metric{{Unit: "bytes", Better: harness.Lower}},
			Cases: []harness.Case{
				{Name: "1 000", Params: harness.Params{Tasks: 1_000}, Quick: true},
				{Name: "100 000", Params: harness.Params{Tasks: 100_000}},
			},
		},
		{
			Name:    recovery,
			Asks:    "A worker is killed (SIGKILL) in a task, and another one is idle: how long does it take until the task's result, by the lease, which is how long a worker may be silent?",
			Metrics: []harness.Metric{{Unit: "ms", Better: harness.Lower}},
			Grows:   "lease in ms",
			Cases: harness.Growth([]int{500, 1_000, 2_000, 5_000}, []int{500}, func(ms int) harness.Params {
				return harness.Params{Lease: time.Duration(ms) * time.Millisecond}
			}),
		},
		{
			Name:    byPayload,
			Asks:    fmt.Sprintf("How long does a task take that returns its argument, one at a time, by the size of that, in processes as %s has them?", processes),
			Metrics: []harness.Metric{{Unit: "us", Better: harness.Lower}},
			Grows:   "bytes",
			Cases: harness.Growth([]int{64, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib}, []int{mib}, func(n int) harness.Params {
				return harness.Params{InFlight: 1, Payload: n}
			}),
		},
		{
			Name:    byInFlight,
			Asks:    fmt.Sprintf("How does the number of tasks a second grow with those in flight, as %s asks?", processes),
			Metrics: []harness.Metric{{Unit: "tasks/s", Better: harness.Higher}},
			Grows:   "tasks in flight",
			Cases: harness.Growth([]int{1, 4, 16, 64, 256, 1024, 4096}, []int{16}, func(n int) harness.Params {
				return harness.Params{InFlight: n, Payload: small}
			}),
		},
	}
}

// inFlight returns the cases of a question about a closed loop.
func inFlight() []harness.Case {
	var cases []harness.Case
	for _, n := range []int{1, 64, 1024} {
		cases = append(cases, harness.Case{
			Name: fmt.Sprintf("%d in flight", n), Params: harness.Params{InFlight: n, Payload: small}, Quick: n == 64,
		})
	}
	return cases
}
