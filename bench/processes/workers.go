package processes

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/futures-go/futures/bench/internal/harness"
)

// workers are processes that run the tasks. All methods may be called together,
// but for close.
type workers interface {
	number(name string, n int64) (int64, error)
	bytes(name string, b []byte) (int64, error)
	echo(b []byte) ([]byte, error)
	close() error
}

// pipeliner is implemented by workers that can be given a task without waiting for
// its result.
type pipeliner interface {
	// start starts the task Following.
	start(n int64) future
}

// napper is implemented by workers whose tasks can be cancelled: it starts the task
// Nap, behind which they wait.
type napper interface {
	startNap(milliseconds int64) future
}

// future is what *futures.Future[int64] is, too.
type future interface {
	Result(ctx context.Context) (int64, error)
}

// mapper is implemented by workers that can map the task Following.
type mapper interface {
	mapAll(numbers []int64) ([]int64, error)
}

// An adapter is what a peer in Go offers.
type adapter struct {
	// open starts n processes, those of a pool not before the first tasks. In a pool
	// there is room for as many tasks that wait; 0 leaves that to the pool.
	open func(n, queue int) (workers, error)
	// pool marks a peer that has a queue, gives each task to an idle worker, and
	// knows what to do when a worker dies.
	pool bool
	// restarts marks a peer that is no pool and whose users start another process
	// when one has died.
	restarts bool
}

// answers fills what the adapter offers into a system.
func (a adapter) answers(s harness.System) harness.System {
	s.Answers = map[string]harness.Run{
		roundTrip:    a.roundTrip,
		calls:        a.calls,
		pipelined:    a.pipelined,
		echoes:       a.echoes,
		argument:     a.argument,
		coldStart:    a.coldStart,
		sums:         a.sums,
		byWorkers:    a.pipelined,
		idle:         a.idle,
		bySubmitters: a.calls,
	}
	s.Declines = map[string]string{}
	if a.pool {
		s.Answers[mapItem] = a.mapItem
		s.Answers[byQueued] = a.queued
		s.Answers[shortTask] = a.shortTask
		s.Answers[cancel] = a.cancel
	} else {
		s.Declines[cancel] = "has no cancellation"
		s.Declines[mapItem] = "has no map"
		s.Declines[byQueued] = "has no queue"
		s.Declines[shortTask] = "has no notion of an idle process"
	}
	if a.pool || a.restarts {
		s.Answers[notice] = a.notice
		s.Answers[recovery] = a.recovery
	} else {
		s.Declines[notice] = "supervises nothing"
		s.Declines[recovery] = "supervises nothing"
	}
	return s
}

// fleet is a number of processes of a peer that knows only one: they take turns.
type fleet struct {
	members []workers
	turn    atomic.Uint64
}

// newFleet starts n processes.
func newFleet(n int, start func() (workers, error)) (workers, error) {
	f := &fleet{}
	for range n {
		w, err := start()
		if err != nil {
			return nil, errors.Join(err, f.close())
		}
		f.members = append(f.members, w)
	}
	if n == 1 {
		return f.members[0], nil
	}
	if _, pipelines := f.members[0].(pipeliner); pipelines {
		return pipeliningFleet{f}, nil
	}
	return f, nil
}

func (f *fleet) next() workers {
	return f.members[f.turn.Add(1)%uint64(len(f.members))]
}

func (f *fleet) number(name string, n int64) (int64, error) { return f.next().number(name, n) }
func (f *fleet) bytes(name string, b []byte) (int64, error) { return f.next().bytes(name, b) }
func (f *fleet) echo(b []byte) ([]byte, error)              { return f.next().echo(b) }

func (f *fleet) close() (err error) {
	for _, w := range f.members {
		err = errors.Join(err, w.close())
	}
	return err
}

// pipeliningFleet is a fleet of pipeliners.
type pipeliningFleet struct{ *fleet }

func (f pipeliningFleet) start(n int64) future { return f.next().(pipeliner).start(n) }
