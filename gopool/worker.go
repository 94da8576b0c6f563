package gopool

import (
	"context"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/taskqueue"
)

// worker is one goroutine that runs tasks, and what belongs to it. Its fields
// are its own but for those that say otherwise.
type worker struct {
	pool *Pool
	id   int

	wake chan struct{} // capacity 1; whoever takes the worker out of Pool.idle sends one token
	quit bool          // written before the token by who tells the worker to go

	ready atomic.Bool // the initializer has run
	gone  bool        // told to go; the slot is given back

	// searching says whether the worker is counted in Pool.searching. While the
	// worker is idle it is written by who wakes it, before the token.
	searching bool

	task    atomic.Pointer[futures.Task] // the current one; others read it. Nil while idle
	started atomic.Int64                 // start of the current one in Unix nanoseconds, 0 if not timed

	popper   taskqueue.Popper
	profiles profiles // read by others under Pool.mu
}

// spins is how often a worker that found nothing looks again, letting others run
// in between, before it parks. A hand-over between running goroutines is several
// times cheaper than waking a parked one, and while a worker searches those who
// submit need not wake any.
const spins = 16

// run is the life of a worker, or what is left of it after a task ended the
// goroutine before.
func (w *worker) run() {
	defer w.survive()
	if !w.ready.Load() {
		if w.pool.opts.Init != nil && !w.initialize() {
			return
		}
		w.ready.Store(true)
		w.pool.emit(inspect.Event{Kind: inspect.WorkerStart, Worker: w.id})
	}
	for {
		t := w.next()
		if t == nil {
			w.gone = true
			return
		}
		w.execute(t)
	}
}

// survive is the end of the goroutine. Either the worker was told to go, or its
// initializer failed, or user code called runtime.Goexit: then the task that did
// so is finished here and the worker goes on in a new goroutine.
func (w *worker) survive() {
	p := w.pool
	if w.ready.Load() && !w.gone {
		defer func() { go w.run() }() // also if a callback ends the goroutine once more
		if t := w.task.Load(); t != nil && t.State() == futures.Running {
			w.finish(t, w.profiles.of(w, t), 0, false)
		}
		return
	}
	p.emit(inspect.Event{Kind: inspect.WorkerExit, Worker: w.id})
	p.mu.Lock()
	delete(p.workers, w)
	p.freeIDs = append(p.freeIDs, w.id)
	p.stats.merge(&w.profiles)
	if !w.gone {
		p.freeSlot() // park did it for a worker that was told to go
	}
	p.settle()
	p.mu.Unlock()
}

// search counts the worker as searching. It is called by the worker, or for an
// idle worker by who wakes it.
func (w *worker) search() {
	if !w.searching {
		w.searching = true
		w.pool.searching.Add(1)
	}
}

// found ends the search. The last one to find something gets the next worker to
// search, as there may be more (G3).
func (w *worker) found() {
	if w.searching {
		w.searching = false
		if w.pool.searching.Add(-1) == 0 && !w.pool.queue.Empty(&w.popper) {
			w.pool.wakeIfNeeded()
		}
	}
}

// next returns the task to run, or nil when the worker is to go.
func (w *worker) next() *futures.Task {
	p := w.pool
	for {
		if p.resuming.Load() == 0 && p.active.Load() <= p.limit.Load() {
			if t := w.look(); t != nil {
				return t
			}
		}
		if !w.park() {
			return nil
		}
	}
}

// look pops a task, searching for a while if there is none.
func (w *worker) look() *futures.Task {
	p := w.pool
	for i := 0; ; i++ {
		if t := p.queue.Pop(&w.popper); t != nil {
			w.found()
			p.queue.Popped()
			return t
		}
		if i == spins || p.resuming.Load() > 0 {
			return nil
		}
		w.search()
		runtime.Gosched()
	}
}

// park gives the slot back and waits until the worker is woken with a slot, or
// reports false when it is to go.
func (w *worker) park() bool {
	p := w.pool
	w.task.Store(nil)
	w.profiles.rest(w)
	p.mu.Lock()
	if w.searching {
		w.searching = false
		p.searching.Add(-1)
	}
	p.freeSlot()
	if !p.queue.Empty(nil) && p.active.Load() < p.limit.Load() {
		// Something came after we looked, from someone who saw us searching.
		p.active.Add(1)
		w.search()
		p.mu.Unlock()
		return true
	}
	if p.finished() || p.surplus() {
		p.mu.Unlock()
		return false
	}
	p.idle = append(p.idle, w)
	p.mu.Unlock()
	<-w.wake
	return !w.quit
}

// surplus reports whether there are more workers than slots without this one:
// those that stood in for waiting tasks, or those of a pool that was made
// smaller. The caller holds p.mu.
func (p *Pool) surplus() bool {
	return len(p.workers)-p.waiting-len(p.resumers) > int(p.limit.Load())
}

// execute runs one task that the worker has popped.
func (w *worker) execute(t *futures.Task) {
	p := w.pool
	if !t.Start(w.id) {
		p.queue.Skipped() // host.Cancelled counted it
		return
	}
	w.task.Store(t)
	if p.killed.Load() {
		p.late.Add(1) // Shutdown may not have seen it
		t.Cancel()
	}
	prof := w.profiles.of(w, t)
	prof.begin(w)
	p.emitTask(inspect.TaskStarted, t, nil)
	wait, again := t.Call()
	w.finish(t, prof, wait, again)
}

// finish publishes the outcome of the task that the worker has run.
func (w *worker) finish(t *futures.Task, prof *profile, wait time.Duration, again bool) {
	p := w.pool
	prof.end(t, again)
	if again {
		p.emitTask(inspect.TaskRetried, t, t.AttemptErr())
		p.delay(t, wait)
		return
	}
	if p.queue.Empty(&w.popper) {
		// G5: whoever sees this task done finds a free worker.
		w.search()
	}
	callbacks := t.Publish()
	p.emitTask(inspect.TaskDone, t, t.Err())
	if t.Err() != nil {
		p.unobserved.Note(t)
	}
	if callbacks {
		w.found() // callbacks may block: the search is somebody else's
		t.Callbacks()
	}
}

// initialize runs Options.Init. If that fails the pool is broken.
func (w *worker) initialize() (ok bool) {
	returned := false
	var err error
	defer func() {
		if v := recover(); v != nil {
			err = &futures.PanicError{Value: v, Stack: debug.Stack()}
		} else if !returned {
			err = &futures.PanicError{Goexit: true, Stack: debug.Stack()}
		}
		if err != nil {
			w.pool.opts.logger().Error("gopool: initializer failed", "pool", w.pool.opts.Name, "worker", w.id, "err", err)
			w.pool.breakDown(err)
		}
		ok = err == nil
	}()
	err = w.pool.opts.Init(context.Background(), w.id)
	returned = true
	return
}

// Worker returns the number of the worker that runs the task to which ctx
// belongs, and whether it belongs to one. Numbers start at 0; those of workers
// that are gone are used again.
func Worker(ctx context.Context) (int, bool) {
	t := futures.CurrentTask(ctx)
	if t == nil {
		return 0, false
	}
	return t.Worker(), true
}
