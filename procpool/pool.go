package procpool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/remote"
	"github.com/futures-go/futures/internal/taskqueue"
	"github.com/futures-go/futures/internal/unobserved"
)

// Pool is an executor on worker processes. All methods may be called from any
// goroutine at any time.
type Pool struct {
	opts      Options // immutable after New
	transport transport
	arena     *arena.Arena // nil without shared memory
	functions remote.Functions[function]
	lastID    atomic.Uint64

	limit       atomic.Int32 // workers that there may be
	live        atomic.Int32 // len(workers); changed under mu
	outstanding atomic.Int64 // tasks accepted and not settled; Close waits for them
	wanting     atomic.Int64 // those of them whose outcome nobody can have seen yet: workers are for these

	queue  *taskqueue.Queue
	delays remote.Delays[*job]

	contexts remote.Contexts // of submitters

	// feed guards where jobs are: what is handed to workers, and what they have. It is
	// taken before the queue's lock, and never with mu held.
	feed     sync.Mutex
	popper   taskqueue.Popper
	returned []*job // taken back from workers, in order; they go before the queue

	mu sync.Mutex // guards what follows; taken after feed
	supervisor
	closed bool  // takes no more tasks
	broken error // why it cannot run anything any more
	killed error // Kill or Terminate was called

	refuses    atomic.Bool   // broken or killed: nothing is handed to a worker any more
	stopAll    atomic.Bool   // Shutdown has begun to cancel: what is delayed from now on is cancelled too
	done       chan struct{} // closed once, when closed and nothing is left
	finished   sync.Once
	listener   atomic.Pointer[inspect.Listener]
	unobserved unobserved.Failures
}

// New returns a pool. It starts no process: workers come with the first tasks. The error
// says which option makes no sense, what the system refuses, or that ServeIfWorker was
// not called.
func New(opts Options) (*Pool, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("procpool.New: %w", err)
	}
	if !serveCalled.Load() && len(opts.Command) == 0 {
		return nil, errors.New("procpool.New: main has not called procpool.ServeIfWorker, which is its first line in a program with process pools")
	}
	p := &Pool{opts: opts, done: make(chan struct{})}
	p.functions.Make, p.contexts.Ended = newFunction, p.contextEnded
	p.workers, p.restarts = make(map[int]*worker), make(map[int]int)
	p.limit.Store(int32(opts.Workers))
	p.queue = taskqueue.New(opts.Queue, opts.RejectWhenFull, p.handAndGrow)
	if err := p.chooseTransport(); err != nil {
		return nil, fmt.Errorf("procpool.New: %w", err)
	}
	p.queue.CountOutside(p.outside)
	if opts.Events != nil {
		p.listener.Store(&opts.Events)
	}
	return p, nil
}

func (p *Pool) chooseTransport() error {
	p.transport = &streams{pool: p}
	if p.opts.Isolated || len(p.opts.Command) > 0 {
		return nil
	}
	r, err := newPulls(p)
	if err == nil {
		p.transport = r
	} else if !errors.Is(err, errors.ErrUnsupported) {
		p.opts.logger().Warn("procpool: no shared memory, so tasks go through pipes", "pool", p.opts.Name, "err", err)
	}
	return nil
}

// outside returns how many accepted tasks wait for a worker outside of the queue.
func (p *Pool) outside() int { return p.transport.waiting() }

// Size returns how many tasks may run at the same time.
func (p *Pool) Size() int { return int(p.limit.Load()) }

// RunsBatches makes Pool a futures.BatchExecutor. A program of another language need not
// know of batches.
func (p *Pool) RunsBatches() bool { return len(p.opts.Command) == 0 }

// Name returns the pool's name.
func (p *Pool) Name() string { return p.opts.Name }

func (p *Pool) grace() time.Duration { return max(0, p.opts.KillGrace) }

// Resize changes how many workers there may be. With a smaller number, workers go as
// they become idle. It is an error if n is not between 1 and MaxWorkers.
func (p *Pool) Resize(n int) error {
	if n < 1 || n > MaxWorkers {
		return fmt.Errorf("procpool.Resize: %d workers, must be between 1 and %d", n, MaxWorkers)
	}
	p.limit.Store(int32(n))
	p.feed.Lock()
	p.mu.Lock()
	var surplus []*worker
	ready := 0
	for _, w := range p.workers {
		if w.state != stateRetiring {
			ready++
		}
	}
	for _, w := range p.byIdleness() {
		if ready > n && w.state != stateRetiring {
			surplus = append(surplus, w)
			ready--
		}
	}
	p.mu.Unlock()
	p.feed.Unlock()
	for _, w := range surplus {
		p.retire(w)
	}
	p.grow()
	return nil
}

// byIdleness returns the workers, those without a task first. The caller holds feed and
// mu.
func (p *Pool) byIdleness() []*worker {
	var idle, busy []*worker
	for _, w := range p.workers {
		if p.busy(w) {
			busy = append(busy, w)
		} else {
			idle = append(idle, w)
		}
	}
	return slices.Concat(idle, busy)
}

// Execute implements futures.Executor.
func (p *Pool) Execute(ctx context.Context, t *futures.Task) error {
	j, err := p.newJob(ctx, t)
	if err != nil {
		return err
	}
	t.Accept(j)
	p.outstanding.Add(1)
	p.wanting.Add(1)
	p.emitTask(inspect.TaskQueued, t, nil, nil)
	if err := p.admit(ctx, j); err != nil {
		j.settled()
		if p.refusal() != nil {
			err = p.refusalOf(j.fn.name)
		}
		return err
	}
	if j.watched {
		p.contexts.Add(ctx, t, &j.ofContext)
	}
	if t.Delay() == 0 {
		p.handAndGrow()
	}
	return nil
}

// admit queues a job, or keeps it until its Delay is over: then it has no place in the queue
// and will need no room there.
func (p *Pool) admit(ctx context.Context, j *job) error {
	wait := j.task.Delay()
	if wait == 0 {
		return p.queue.Push(ctx, j.task)
	}
	// The job counts as outstanding: who refuses only now waits for it.
	if reason := p.queue.Refusal(); reason != nil {
		return reason
	}
	j.place = placeOver // the caller's, as delay wants it
	p.delay(j, wait)
	return nil
}

// handAndGrow gets the queued tasks on their way.
func (p *Pool) handAndGrow() {
	p.transport.hand()
	p.grow()
}

// contextEnded ends the tasks of a submitter's context. Those that no worker has started
// come before those that run, so that no worker finishes early and starts another one.
func (p *Pool) contextEnded(tasks []*futures.Task) {
	for _, t := range tasks {
		t.Expire()
	}
	for _, t := range tasks {
		if t.State() == futures.Running {
			p.stop(t.Host().(*job))
		}
	}
}

// giveBack puts jobs in line again, before those that came later. The caller holds feed.
func (p *Pool) giveBack(jobs []*job) {
	p.returned = append(slices.Clone(jobs), p.returned...)
	slices.SortStableFunc(p.returned, func(a, b *job) int { return b.task.Priority() - a.task.Priority() })
}

// stop makes a running job end: its worker is told, and killed after the grace.
func (p *Pool) stop(j *job) {
	p.feed.Lock()
	w := j.worker
	if j.place != placeHanded || w == nil {
		p.feed.Unlock()
		return
	}
	id := p.transport.idOf(j)
	p.feed.Unlock()
	j.mu.Lock()
	if j.over || j.deadly != nil {
		j.mu.Unlock()
		return
	}
	j.deadly = time.AfterFunc(p.grace(), func() { p.overdue(w, j, id, doomCancel) })
	j.mu.Unlock()
	go func() { _ = w.out.write(frameCancel, 0, id) }() // the pipe may be full
}

// overdue kills the worker of a job that does not end, unless it has ended by now and id, the
// attempt's, is another one's or none. The worker is first told to take nothing more, so that
// only this job dies with it.
func (p *Pool) overdue(w *worker, j *job, id uint64, reason doomReason) {
	p.retire(w)
	p.feed.Lock()
	holds := j.place == placeHanded && p.transport.idOf(j) == id && p.transport.holds(w, j)
	p.feed.Unlock()
	if holds {
		w.dump(&doom{reason: reason, job: j})
	}
}
