package goroutines

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// An adapter is what a system in Go offers; what it does not, is nil. Its functions
// make a pool, use it and leave nothing behind; the time of all of that counts.
type adapter struct {
	// run runs all tasks of a job, whose results nobody reads.
	run func(j *job) error
	// results runs tasks that return 1 and returns the sum of what was read.
	results func(j *job) (sum int, err error)
	// caller returns a function that has a task of its own run and returns its
	// result, and one that ends the pool.
	caller func(workers int) (call func() (int, error), stop func())
	// queue makes a pool of one worker, keeps that busy until gate is closed, and
	// puts the job's tasks behind it. wait returns when all have run.
	queue func(j *job, gate <-chan struct{}) (wait func() error, err error)
	// double doubles each element of a slice with the function twice.
	double func(workers int, in []int) ([]int, error)
	// unbounded marks a system that has no number of workers.
	unbounded bool
}

var errUnbounded = harness.Decline("has no number of workers")

// answers fills what the adapter offers into a system.
func (a adapter) answers(s harness.System) harness.System {
	s.Answers = make(map[string]harness.Run)
	if a.run != nil {
		s.Answers[emptyTask] = a.timed(a.run, time.Nanosecond)
		s.Answers[shortTasks] = a.timed(a.run, time.Microsecond)
		s.Answers[garbage] = a.garbage(a.run)
		s.Answers[bySubmitters] = s.Answers[emptyTask]
		if !a.unbounded {
			s.Answers[byWorkers] = s.Answers[emptyTask]
		}
	}
	if a.results != nil {
		run := func(j *job) error {
			sum, err := a.results(j)
			j.counted.Store(j.expected.Load()) // the sum tells more
			if err != nil {
				return err
			}
			return addsUp(sum, j)
		}
		s.Answers[resultTask] = a.timed(run, time.Nanosecond)
		s.Answers[resultGarbage] = a.garbage(run)
	}
	if a.caller != nil {
		s.Answers[roundTrip] = a.roundTrip
	}
	if a.queue != nil {
		s.Answers[queuedMemory] = a.queuedMemory
	}
	if a.double != nil {
		s.Answers[mapItem] = a.mapItem
	}
	maps.DeleteFunc(s.Declines, func(question, _ string) bool { return s.Answers[question] != nil })
	return s
}

// grow calls run with more and more tasks until that takes about p.Time, and
// returns how many took how long in the end.
func grow(p harness.Params, most int, run func(tasks int) error) (tasks int, took time.Duration, err error) {
	tasks = min(max(1024, 10*p.Workers), most)
	if err := run(tasks); err != nil { // warm-up
		return 0, 0, err
	}
	for {
		began := time.Now()
		err = run(tasks)
		took = time.Since(began)
		if err != nil || took >= p.Time*2/3 || tasks == most {
			return tasks, took, err
		}
		factor := min(1.1*float64(p.Time)/float64(max(took, time.Microsecond)), 50)
		tasks = min(int(float64(tasks)*max(factor, 1.5)), most)
	}
}

const mostTasks = 4_000_000

// timed measures the time of a task, in units.
func (a adapter) timed(run func(*job) error, unit time.Duration) harness.Run {
	return func(_ context.Context, p harness.Params) ([]float64, error) {
		if a.unbounded && p.Workers != anyWorkers {
			return nil, errUnbounded
		}
		tasks, took, err := grow(p, mostTasks, func(tasks int) error {
			j := newJob(p.Workers, p.Submitters, tasks, p.Work)
			return errors.Join(run(j), j.check())
		})
		return []float64{float64(took) / float64(unit) / float64(tasks)}, err
	}
}

// garbage measures the bytes and the allocations of a task.
func (a adapter) garbage(run func(*job) error) harness.Run {
	return func(_ context.Context, p harness.Params) ([]float64, error) {
		if a.unbounded {
			p.Workers = anyWorkers
		}
		j := newJob(p.Workers, p.Submitters, p.Tasks, 0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := run(j)
		runtime.ReadMemStats(&after)
		return []float64{
			float64(after.TotalAlloc-before.TotalAlloc) / float64(p.Tasks),
			float64(after.Mallocs-before.Mallocs) / float64(p.Tasks),
		}, errors.Join(err, j.check())
	}
}

// roundTrip measures the time from the call to its result, one call at a time.
func (a adapter) roundTrip(_ context.Context, p harness.Params) ([]float64, error) {
	call, stop := a.caller(p.Workers)
	defer stop()
	var times []float64
	one := func() error {
		began := time.Now()
		v, err := call()
		times = append(times, float64(time.Since(began)))
		if err == nil && v != 1 {
			err = fmt.Errorf("a call returned %d", v)
		}
		return err
	}
	for range 200 {
		if err := one(); err != nil {
			return nil, err
		}
	}
	times = times[:0]
	for began := time.Now(); len(times) < 100 || time.Since(began) < p.Time; {
		if p.Pause > 0 {
			time.Sleep(p.Pause)
		}
		if err := one(); err != nil {
			return nil, err
		}
	}
	slices.Sort(times)
	return []float64{harness.Quantile(times, 0.5), harness.Quantile(times, 0.99)}, nil
}

// queuedMemory measures the bytes of a task that waits, and the time until it is
// queued.
func (a adapter) queuedMemory(_ context.Context, p harness.Params) ([]float64, error) {
	if a.unbounded && p.Tasks > 1_000_000 {
		return nil, harness.Decline("%d goroutines do not fit into most memories", p.Tasks)
	}
	gate := make(chan struct{})
	j := newJob(1, 1, p.Tasks, 0)
	before := liveBytes()
	began := time.Now()
	wait, err := a.queue(j, gate)
	took := time.Since(began)
	if err != nil {
		return nil, err
	}
	after := liveBytes()
	if ran := j.counted.Load(); ran != 0 {
		return nil, fmt.Errorf("%d tasks ran that should wait", ran)
	}
	close(gate)
	if err := wait(); err != nil {
		return nil, err
	}
	bytes := float64(after) - float64(before)
	return []float64{max(0, bytes) / float64(p.Tasks), float64(took) / float64(p.Tasks)}, j.check()
}

// liveBytes returns the memory of what is reachable, stacks included.
func liveBytes() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only made finalizable
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

// mapItem measures the time of an element of a slice that is doubled.
func (a adapter) mapItem(_ context.Context, p harness.Params) ([]float64, error) {
	in := make([]int, p.Tasks)
	for i := range in {
		in[i] = i
	}
	var times []float64
	for began := time.Now(); ; {
		start := time.Now()
		out, err := a.double(p.Workers, in)
		times = append(times, float64(time.Since(start))/float64(p.Tasks))
		if err != nil {
			return nil, err
		}
		for i, v := range out {
			if v != 2*i {
				return nil, fmt.Errorf("element %d became %d", i, v)
			}
		}
		if len(out) != len(in) {
			return nil, fmt.Errorf("%d elements became %d", len(in), len(out))
		}
		if time.Since(began) >= p.Time {
			slices.Sort(times)
			return []float64{harness.Quantile(times, 0.5)}, nil
		}
	}
}

// twice is what a map does to an element. It is a variable so that no compiler puts
// it into a loop, because none could do that to a library's.
var (
	twice    = func(n int) int { return 2 * n }
	twiceCtx = func(_ context.Context, n int) (int, error) { return 2 * n, nil }
)
