package goroutines

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestWrongWork: a system that loses work, does it twice, or returns something else
// fails at every question.
func TestWrongWork(t *testing.T) {
	lost := errors.New("lost its nerve")
	all := func(j *job, some func(i int)) error {
		return j.submit(func(n int) error {
			for i := range n {
				some(i)
			}
			return nil
		})
	}
	wait := func() error { return nil }
	for name, a := range map[string]adapter{
		"loses tasks": {
			run:     func(j *job) error { return all(j, func(i int) { j.plain(i / 2 * 2)() }) },
			results: func(j *job) (int, error) { return j.tasks - 1, j.submit(func(int) error { return nil }) },
			caller:  func(int) (func() (int, error), func()) { return func() (int, error) { return 0, nil }, func() {} },
			queue: func(j *job, _ <-chan struct{}) (func() error, error) {
				return wait, j.submit(func(int) error { return nil })
			},
			double: func(_ int, in []int) ([]int, error) { return make([]int, len(in)), nil },
		},
		"does them twice": {
			run:     func(j *job) error { return all(j, func(i int) { j.plain(i)(); j.plain(i)() }) },
			results: func(j *job) (int, error) { return 2 * j.tasks, j.submit(func(int) error { return nil }) },
			caller:  func(int) (func() (int, error), func()) { return func() (int, error) { return 2, nil }, func() {} },
			queue: func(j *job, _ <-chan struct{}) (func() error, error) {
				return func() error { j.counting(); j.counting(); return nil }, j.submit(func(int) error { return nil })
			},
			double: func(_ int, in []int) ([]int, error) { return append(in, in...), nil },
		},
		"does them at once": {
			run:     func(j *job) error { return errors.Join(all(j, func(int) {}), lost) },
			results: func(*job) (int, error) { return 0, lost },
			caller:  func(int) (func() (int, error), func()) { return func() (int, error) { return 1, lost }, func() {} },
			queue: func(j *job, _ <-chan struct{}) (func() error, error) {
				return wait, all(j, func(i int) { j.plain(i)() })
			},
			double: func(_ int, in []int) ([]int, error) { return in, nil },
		},
	} {
		system := a.answers(harness.System{})
		if len(system.Answers) != len(questions()) {
			t.Errorf("it answers %d of %d questions", len(system.Answers), len(questions()))
		}
		for question, run := range system.Answers {
			p := harness.Params{Workers: 2, Submitters: 1, Tasks: 1000, Time: time.Millisecond}
			if values, err := run(context.Background(), p); err == nil {
				t.Errorf("%s, which %s: measured %v", question, name, values)
			}
		}
	}
}

// TestSubmitters: each submitter has its share, and each task is counted on.
func TestSubmitters(t *testing.T) {
	for _, submitters := range []int{1, 3, 64} {
		j := newJob(1, submitters, 1000, 0)
		seen := make([]bool, j.tasks) // by one submitter each
		if err := j.submitRanges(func(from, to int) error {
			for i := from; i < to; i++ {
				seen[i] = true
				j.plain(i - from)()
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		for i, was := range seen {
			if !was {
				t.Errorf("%d submitters: task %d is nobody's", submitters, i)
			}
		}
		if err := j.check(); err != nil || j.counted.Load() < 1000/sampleOf {
			t.Errorf("%d submitters: %v, %d counted", submitters, err, j.counted.Load())
		}
		failure := errors.New("refused")
		if err := j.submit(func(int) error { return failure }); !errors.Is(err, failure) {
			t.Errorf("%d submitters: got %v", submitters, err)
		}
	}
}

// TestBatches: no submitter has more than inFlight results to read.
func TestBatches(t *testing.T) {
	j := newJob(1, 2, 3*inFlight+10, 0)
	sum, err := j.batches(func(n int) (int, error) {
		if n < 1 || n > inFlight {
			t.Errorf("a batch of %d", n)
		}
		return n, nil
	})
	if err != nil || sum != j.tasks {
		t.Errorf("got %d, %v", sum, err)
	}
}

// TestGrow: the number of tasks grows until a round takes its time, or is the most.
func TestGrow(t *testing.T) {
	var rounds []int
	tasks, _, err := grow(harness.Params{Time: time.Hour}, 100_000, func(tasks int) error {
		rounds = append(rounds, tasks)
		return nil
	})
	if err != nil || tasks != 100_000 || rounds[0] != 1024 || len(rounds) < 3 {
		t.Errorf("%d tasks, %v, rounds %v", tasks, err, rounds)
	}
	if tasks, _, err = grow(harness.Params{Workers: 1000}, 100_000, func(int) error { return nil }); err != nil || tasks != 10_000 {
		t.Errorf("%d tasks for 1000 workers and no time, %v", tasks, err)
	}
	failure := errors.New("wrong")
	if _, _, err := grow(harness.Params{Time: time.Hour}, 100_000, func(int) error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
}

// TestTurns: twice the work is twice the turns.
func TestTurns(t *testing.T) {
	if turnsFor(0) != 0 {
		t.Error("no work has turns")
	}
	if one, ten := turnsFor(time.Microsecond), turnsFor(time.Millisecond); one < 1 || ten < 10*one {
		t.Errorf("a microsecond has %d turns, a millisecond %d", one, ten)
	}
}

// TestUnbounded: a system without workers declines to be asked about their number.
func TestUnbounded(t *testing.T) {
	system := goStatement()
	_, err := system.Answers[emptyTask](t.Context(), harness.Params{Workers: 8, Submitters: 1, Time: time.Millisecond})
	if !errors.Is(err, errUnbounded) {
		t.Errorf("got %v", err)
	}
	if system.Answers[byWorkers] != nil {
		t.Error("it answers a question about its workers")
	}
	_, err = system.Answers[queuedMemory](t.Context(), harness.Params{Workers: 1, Submitters: 1, Tasks: 10_000_000})
	if err == nil || !strings.Contains(err.Error(), "do not fit") {
		t.Errorf("got %v", err)
	}
}
