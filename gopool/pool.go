package gopool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/taskqueue"
	"github.com/futures-go/futures/internal/unobserved"
)

// Pool is an executor on goroutines. All methods may be called from any
// goroutine at any time.
type Pool struct {
	opts Options // immutable after New

	queue *taskqueue.Queue

	// The words that submitters and workers look at for each task (G3). They are
	// changed under mu but for searching, which workers also change without.
	searching atomic.Int32 // workers that look for a task
	active    atomic.Int32 // workers that hold a slot: searching or busy
	limit     atomic.Int32 // slots
	resuming  atomic.Int32 // len(resumers)

	killed   atomic.Bool  // set by Shutdown: tasks that start now are cancelled at once
	late     atomic.Int32 // how many that were
	listener atomic.Pointer[inspect.Listener]

	mu       sync.Mutex
	workers  map[*worker]struct{}      // all that exist
	freeIDs  []int                     // numbers of workers that are gone
	nextID   int                       // smallest number never used
	idle     []*worker                 // parked; the last one is woken first
	resumers []chan struct{}           // tasks that want their slot back, in order
	waiting  int                       // tasks that gave their slot back
	delayed  map[*futures.Task]delayed // tasks before their Delay is over, and between two attempts
	closed   bool                      // set once
	done     chan struct{}             // closed once, when closed and nothing is left

	unobserved unobserved.Failures
	stats      statistics
}

// New returns a pool. It starts nothing: workers come with the first tasks. New
// panics if an option makes no sense.
func New(opts Options) *Pool {
	opts, err := opts.withDefaults()
	if err != nil {
		panic("gopool.New: " + err.Error())
	}
	p := &Pool{
		opts:    opts,
		workers: make(map[*worker]struct{}),
		delayed: make(map[*futures.Task]delayed),
		done:    make(chan struct{}),
	}
	p.queue = taskqueue.New(opts.Queue, opts.RejectWhenFull, p.wakeIfNeeded)
	p.limit.Store(int32(opts.Workers))
	if opts.Events != nil {
		p.listener.Store(&opts.Events)
	}
	return p
}

// RunsLocally makes Pool a futures.LocalExecutor.
func (p *Pool) RunsLocally() {}

// Size returns how many tasks may run at the same time.
func (p *Pool) Size() int { return int(p.limit.Load()) }

// Name returns the pool's name.
func (p *Pool) Name() string { return p.opts.Name }

// Resize changes how many tasks may run at the same time. A smaller number takes
// effect as running tasks end. It is an error if n is not positive.
func (p *Pool) Resize(n int) error {
	if n < 1 {
		return fmt.Errorf("gopool.Resize: %d workers, must be positive", n)
	}
	if n > math.MaxInt32 {
		return fmt.Errorf("gopool.Resize: %d workers, at most %d", n, math.MaxInt32)
	}
	p.mu.Lock()
	p.limit.Store(int32(n))
	for len(p.resumers) > 0 && p.active.Load() < int32(n) {
		p.active.Add(1)
		p.resume()
	}
	p.mu.Unlock()
	for range n {
		if !p.wake() {
			break
		}
	}
	return nil
}

// Execute implements futures.Executor.
func (p *Pool) Execute(ctx context.Context, t *futures.Task) error {
	t.Accept((*host)(p))
	p.emitTask(inspect.TaskQueued, t, nil)
	if d := t.Delay(); d > 0 {
		return p.delayFirst(ctx, t, d)
	}
	if err := p.queue.Push(ctx, t); err != nil {
		return err
	}
	p.wakeIfNeeded()
	return nil
}

// wakeIfNeeded gets a worker for what was just made visible, unless one is
// searching or no slot is free (G3).
func (p *Pool) wakeIfNeeded() {
	if p.searching.Load() == 0 && p.active.Load() < p.limit.Load() {
		p.wake()
	}
}

// wake gets one more worker to search, if there is something to find, nobody
// searches and a slot is free. It reports whether it did.
func (p *Pool) wake() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.searching.Load() > 0 || p.active.Load() >= p.limit.Load() || p.queue.Empty(nil) {
		return false
	}
	p.active.Add(1)
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		w.search()
		w.wake <- struct{}{}
		return true
	}
	p.startWorker()
	return true
}

// startWorker starts a worker in a slot that was counted already. The caller
// holds p.mu.
func (p *Pool) startWorker() {
	w := &worker{pool: p, wake: make(chan struct{}, 1)}
	if n := len(p.freeIDs); n > 0 {
		w.id, p.freeIDs = p.freeIDs[n-1], p.freeIDs[:n-1]
	} else {
		w.id = p.nextID
		p.nextID++
	}
	p.workers[w] = struct{}{}
	if p.opts.Init == nil {
		// A worker with an initializer is no help before that has run.
		w.search()
	}
	go w.run()
}

// Close takes no more tasks, finishes all that were accepted and returns when no
// goroutine of the pool is left. Then it logs the tasks that failed and whose
// outcome nobody asked for. The error is that of the initializer, if it failed.
func (p *Pool) Close() error {
	p.beginClose()
	<-p.done
	p.unobserved.Report(p.opts.logger(), "gopool", p.opts.Name)
	return p.brokenError()
}

// Shutdown is Close until ctx ends. Then it cancels what is queued and what is
// running, and returns an error that matches ctx's cause and says how much was
// cut short. Tasks that ignore their context go on; Close waits for them.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.beginClose()
	select {
	case <-p.done:
		return p.Close()
	case <-ctx.Done():
	}
	queued, running := p.cancelAll()
	// What a worker has just taken, or just finished, is neither for a moment.
	for i := 0; i < moments && queued+running == 0; i++ {
		select {
		case <-p.done:
			if running = int(p.late.Load()); running == 0 {
				return p.Close()
			}
		case <-time.After(moment):
			_, running = p.cancelAll()
		}
	}
	return fmt.Errorf("gopool.Shutdown: cancelled %d queued and %d running tasks: %w", queued, running, context.Cause(ctx))
}

// Shutdown gives workers that are between two states so many moments to get out of
// them, before it says that they were not done in time.
const (
	moment  = time.Millisecond
	moments = 100
)

func (p *Pool) beginClose() {
	p.queue.Refuse(futures.ErrClosed)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		p.emit(inspect.Event{Kind: inspect.ExecutorDown, Worker: -1})
	}
	p.settle()
}

// settle lets the idle workers of a closed pool go when nothing can come any
// more, and notes when the last one has gone. The caller holds p.mu.
func (p *Pool) settle() {
	if !p.finished() {
		return
	}
	for _, w := range p.idle {
		w.quit = true
		w.wake <- struct{}{}
	}
	p.idle = nil
	if len(p.workers) > 0 {
		return
	}
	select {
	case <-p.done:
	default:
		close(p.done)
	}
}

// finished reports whether no task can come to an idle worker any more. The
// caller holds p.mu.
func (p *Pool) finished() bool {
	return p.closed && p.queue.Empty(nil) && len(p.delayed) == 0 && p.waiting == 0
}

// cancelAll cancels every task that the pool knows, and returns how many had not
// been started and how many had.
func (p *Pool) cancelAll() (queued, running int) {
	p.killed.Store(true) // before looking: a worker stores its task, then looks at this
	defer func() {
		p.mu.Lock()
		p.settle()
		p.mu.Unlock()
	}()
	tasks := p.queue.Drain()
	p.mu.Lock()
	for t := range p.delayed {
		queued++
		defer t.Cancel()
	}
	for w := range p.workers {
		if t := w.task.Load(); t != nil && t.State() == futures.Running {
			running++
			defer t.Cancel()
		}
	}
	p.mu.Unlock()
	forEach(tasks, func(t *futures.Task) {
		defer p.queue.Skipped() // host.Cancelled counted it
		if t.State() == futures.Pending {
			queued++
			t.Cancel()
		}
	})
	return queued, running
}

// forEach calls fn for each task, also if a callback of one ends the goroutine.
func forEach(tasks []*futures.Task, fn func(*futures.Task)) {
	defer func() {
		if len(tasks) > 0 {
			forEach(tasks, fn)
		}
	}()
	for len(tasks) > 0 {
		t := tasks[0]
		tasks = tasks[1:]
		fn(t)
	}
}

// breakDown makes the pool broken: a worker's initializer failed.
func (p *Pool) breakDown(err error) {
	broken := &brokenError{pool: p.opts.Name, cause: err}
	p.queue.Refuse(broken)
	forEach(p.queue.Drain(), func(t *futures.Task) {
		if !t.Refuse(broken) {
			p.queue.Skipped() // it was cancelled
		}
	})
}

func (p *Pool) brokenError() error {
	if reason := p.queue.Refusal(); errors.Is(reason, futures.ErrBroken) {
		return reason
	}
	return nil
}

// brokenError is futures.ErrBroken with its reason.
type brokenError struct {
	pool  string
	cause error
}

func (e *brokenError) Error() string {
	return fmt.Sprintf("%v: %s: initializer: %v", futures.ErrBroken, e.pool, e.cause)
}
func (e *brokenError) Is(target error) bool { return target == futures.ErrBroken }
func (e *brokenError) Unwrap() error        { return e.cause }

// host is the pool as its tasks see it.
type host Pool

// Cancelled implements futures.Host.
func (h *host) Cancelled(t *futures.Task, started bool) {
	p := (*Pool)(h)
	if started {
		return // its context has ended, which is all that can be done to a goroutine
	}
	p.mu.Lock()
	delayed := p.forget(t)
	if delayed {
		p.settle()
	}
	p.mu.Unlock()
	if delayed {
		return
	}
	p.queue.Cancelled()
}

// Block implements futures.Host: the slot of t goes to whoever needs it.
func (h *host) Block(*futures.Task) {
	p := (*Pool)(h)
	p.mu.Lock()
	p.waiting++
	p.freeSlot()
	p.mu.Unlock()
	p.wakeIfNeeded()
}

// Unblock implements futures.Host.
func (h *host) Unblock(*futures.Task) {
	p := (*Pool)(h)
	p.mu.Lock()
	p.waiting--
	if p.active.Load() < p.limit.Load() {
		p.active.Add(1)
		p.mu.Unlock()
		return
	}
	turn := make(chan struct{})
	p.resumers = append(p.resumers, turn)
	p.resuming.Store(int32(len(p.resumers)))
	p.mu.Unlock()
	<-turn
}

// freeSlot gives a slot to the first task that wants its own back, or else
// leaves it free. The caller holds p.mu, and looks for queued tasks afterwards
// (G3).
func (p *Pool) freeSlot() {
	if len(p.resumers) > 0 && p.active.Load() <= p.limit.Load() {
		p.resume()
		return
	}
	p.active.Add(-1)
	p.check()
}

// check asserts what holds whenever p.mu is free. The caller holds it.
func (p *Pool) check() {
	if !assert.Enabled {
		return
	}
	active, searching := p.active.Load(), p.searching.Load()
	assert.That(active >= 0 && searching >= 0 && p.waiting >= 0, "G1: %d active, %d searching, %d waiting", active, searching, p.waiting)
	assert.That(int(active)+len(p.idle)+p.waiting <= len(p.workers)+1, "G1: %d active and %d idle of %d workers, %d waiting", active, len(p.idle), len(p.workers), p.waiting)
}

// resume lets the first task that wants its slot back go on with a slot that is
// counted as active. The caller holds p.mu.
func (p *Pool) resume() {
	close(p.resumers[0])
	p.resumers = p.resumers[1:]
	p.resuming.Store(int32(len(p.resumers)))
}
