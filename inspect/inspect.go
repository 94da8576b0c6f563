// Package inspect holds what executors tell about themselves: snapshots of their
// state and events of their tasks. It is data only, for dashboards, metrics and
// command lines to read; nothing here starts or changes anything.
package inspect

import (
	"math/bits"
	"time"
)

// Snapshot is the state of an executor at one moment. Counts are exact when the
// executor is at rest; while it works each is right by itself, but they are read
// one after another.
type Snapshot struct {
	Kind string // "gopool", "procpool", "cluster"
	Name string // unique in the program unless its owner chose it
	Time time.Time

	Limit    int    // tasks that may run at the same time
	Running  int    // tasks that do
	Waiting  int    // started tasks that wait for another one and hold no slot
	Queued   int    // tasks that no worker owns
	Capacity int    // places in the queue
	Blocked  int    // calls of Submit that wait for room
	Delayed  int    // tasks before their Delay is over, or between two attempts
	Closed   bool   // takes no more tasks
	Broken   string // why it cannot run anything any more, empty if it can

	Workers   []Worker            // that exist now
	Functions map[string]Function // by name of the function
}

// Worker is one goroutine or process that runs tasks.
type Worker struct {
	ID       int
	PID      int         // of a worker process, else 0
	State    WorkerState // what it is doing
	Task     string      // the function it runs, if any
	Since    time.Time   // start of that run; zero where it was not timed
	Done     uint64      // tasks it has finished
	RSS      int64       // resident bytes of a worker process, else 0
	Restarts int         // how often the process in this place was replaced
}

// WorkerState says what a worker is doing.
type WorkerState string

const (
	Starting  WorkerState = "starting"  // not ready yet
	Idle      WorkerState = "idle"      // parked
	Searching WorkerState = "searching" // looks for work before it parks
	Busy      WorkerState = "busy"      // runs a task
	Waiting   WorkerState = "waiting"   // its task waits for another and holds no slot
	Stopping  WorkerState = "stopping"  // on its way out
)

// Function is what is known about the tasks of one function.
type Function struct {
	Succeeded, Failed, Cancelled uint64 // by outcome, of tasks that were started
	Retried                      uint64 // attempts that were followed by another
	Latency                      Histogram
}

// Histogram counts durations by powers of two: bucket i has those below
// 2^i microseconds that are in no bucket before it, the last one has the rest.
// Short tasks are sampled, so the sum of the buckets may be less than the number
// of tasks.
type Histogram [24]uint64

// Bucket returns the index of the bucket of d.
func Bucket(d time.Duration) int {
	return min(bits.Len64(uint64(max(0, d.Microseconds()))), len(Histogram{})-1)
}

// Samples returns how many durations were counted.
func (h Histogram) Samples() (n uint64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile returns an upper bound of the q-quantile (0 to 1), 0 without samples.
func (h Histogram) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.Samples()))
	for i, c := range h {
		if c > 0 && c >= rank {
			return time.Duration(1<<i) * time.Microsecond
		}
		rank -= min(rank, c)
	}
	return 0
}

// EventKind names what happened.
type EventKind string

const (
	TaskQueued   EventKind = "task queued" // or kept, if it has a Delay
	TaskStarted  EventKind = "task started"
	TaskRetried  EventKind = "task retried" // an attempt failed and another will follow
	TaskDone     EventKind = "task done"
	WorkerStart  EventKind = "worker started"
	WorkerExit   EventKind = "worker exited"
	ExecutorDown EventKind = "executor closed"
)

// Event is something that happened in an executor.
type Event struct {
	Kind     EventKind
	Executor string // its name
	Time     time.Time
	Worker   int    // -1 where no worker is concerned
	Task     string // the function's name, empty where no task is concerned
	Attempt  int    // of the task
	Outcome  string // of TaskDone: "succeeded", "failed" or "cancelled"
	Err      error  // of TaskDone and TaskRetried, and of a WorkerExit that was not planned
}

// Listener receives events, in the goroutine in which they happen. It must not
// block and must not call back into the executor.
type Listener func(Event)
