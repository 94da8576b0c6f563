package goroutines

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A job is a number of equal tasks for a system, and the record of those that ran.
// An adapter's loop takes each task in the shape that its peer wants, so that
// nobody pays for wrapping:
//
//	j.submit(func(n int) error {
//		for i := range n {
//			wg.Go(j.plain(i))
//		}
//		return nil
//	})
type job struct {
	workers    int
	submitters int
	tasks      int

	bare, counting       func()
	bareErr, countingErr func() error

	counted  atomic.Int64 // tasks that ran, of those that count themselves
	expected atomic.Int64 // how many that should be
}

const (
	// One task in sampleOf counts itself. All of them would meet on one cache line,
	// which costs more than some of the systems do; a system that loses tasks loses
	// some of these too.
	sampleOf = 64

	// inFlight is how many results a submitter leaves unread.
	inFlight = 4096
)

func newJob(workers, submitters, tasks int, work time.Duration) *job {
	j := &job{workers: workers, submitters: submitters, tasks: tasks}
	n := turnsFor(work)
	j.bare = func() { turn(n) }
	if n == 0 {
		j.bare = func() {}
	}
	j.counting = func() { turn(n); j.counted.Add(1) }
	j.bareErr = func() error { turn(n); return nil }
	j.countingErr = func() error { turn(n); j.counted.Add(1); return nil }
	return j
}

// plain returns a submitter's i-th task.
func (j *job) plain(i int) func() {
	if i%sampleOf == 0 {
		return j.counting
	}
	return j.bare
}

// withErr is plain for peers whose tasks return an error.
func (j *job) withErr(i int) func() error {
	if i%sampleOf == 0 {
		return j.countingErr
	}
	return j.bareErr
}

// The tasks that return something: a 1, so that the sum of the results tells how
// many there were.
var (
	value    = func() int { return 1 }
	valueErr = func() (int, error) { return 1, nil }
	valueCtx = func(context.Context) (int, error) { return 1, nil }
)

// submit lets the submitters submit, each its share of the tasks, and returns when
// they have.
func (j *job) submit(some func(n int) error) error {
	return j.submitRanges(func(from, to int) error { return some(to - from) })
}

// submitRanges is submit for those who number the tasks of all submitters.
func (j *job) submitRanges(some func(from, to int) error) error {
	if j.submitters == 1 {
		j.expect(j.tasks)
		return some(0, j.tasks)
	}
	errs := make([]error, j.submitters)
	var wg sync.WaitGroup
	for s := range j.submitters {
		from, to := j.tasks*s/j.submitters, j.tasks*(s+1)/j.submitters
		j.expect(to - from)
		wg.Go(func() { errs[s] = some(from, to) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (j *job) expect(n int) { j.expected.Add(int64((n + sampleOf - 1) / sampleOf)) }

// batches lets the submitters submit and read results: each calls some again and
// again, with at most inFlight tasks at a time, and some returns the sum of their
// results.
func (j *job) batches(some func(n int) (sum int, err error)) (sum int, err error) {
	var total atomic.Int64
	err = j.submit(func(n int) error {
		for n > 0 {
			k := min(n, inFlight)
			sum, err := some(k)
			if err != nil {
				return err
			}
			total.Add(int64(sum))
			n -= k
		}
		return nil
	})
	return int(total.Load()), err
}

// check tells whether the tasks that count themselves have run, each once.
func (j *job) check() error {
	if ran, want := j.counted.Load(), j.expected.Load(); ran != want {
		return fmt.Errorf("of %d tasks that count themselves %d ran", want, ran)
	}
	return nil
}

// addsUp tells whether the results of a job's tasks add up to their number.
func addsUp(sum int, j *job) error {
	if sum != j.tasks {
		return fmt.Errorf("results of %d tasks add up to %d", j.tasks, sum)
	}
	return nil
}

func total(results []int) (sum int) {
	for _, v := range results {
		sum += v
	}
	return sum
}

// turn is work that a compiler does not leave out: n steps of a xorshift generator.
func turn(n int) {
	x := uint64(n) | 1
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	runtime.KeepAlive(x)
}

// turnsFor returns how many turns take a time, on one core and undisturbed: the
// fastest of many tries tells.
func turnsFor(work time.Duration) int {
	if work == 0 {
		return 0
	}
	const sample = 10_000
	fastest := time.Hour
	for range 50 {
		began := time.Now()
		turn(sample)
		fastest = min(fastest, time.Since(began))
	}
	return int(float64(sample) * float64(work) / float64(fastest))
}
