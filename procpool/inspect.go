package procpool

import (
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// Inspect returns the pool's state: worker processes with what they are doing, the
// queue, and the outcomes of tasks by function. It reads the memory use of each worker
// from the system, some microseconds each.
func (p *Pool) Inspect() inspect.Snapshot {
	s := inspect.Snapshot{Kind: "procpool", Name: p.opts.Name, Time: time.Now(), Capacity: p.opts.Queue}
	queued, blocked := p.queue.Len()
	s.Blocked, s.Delayed, s.Limit = blocked, p.delays.Len(), p.Size()
	s.Functions = make(map[string]inspect.Function)
	p.functions.Lock()
	for _, f := range p.functions.All() {
		s.Functions[f.name] = f.counts.Snapshot()
	}
	p.functions.Unlock()

	p.feed.Lock()
	defer p.feed.Unlock()
	s.Queued = queued + len(p.returned) + p.transport.waiting()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Closed = p.closed
	if p.broken != nil {
		s.Broken = p.broken.Error()
	}
	for _, w := range p.workers {
		view := inspect.Worker{
			ID: w.number, State: inspect.Idle, Done: uint64(w.done.Load()), Restarts: w.restarts,
		}
		if proc := w.process.Load(); proc != nil {
			view.PID = proc.PID()
			view.RSS, _ = proc.RSS()
		}
		switch w.state {
		case stateStarting, stateInitializing:
			view.State = inspect.Starting
		case stateRetiring:
			view.State = inspect.Stopping
		}
		if j, since := p.transport.current(w); j != nil {
			s.Running++
			view.Task, view.Since = j.fn.name, since
			if view.State != inspect.Stopping { // it may have a task before we read that it is ready
				view.State = inspect.Busy
			}
		}
		s.Workers = append(s.Workers, view)
	}
	slices.SortFunc(s.Workers, func(a, b inspect.Worker) int { return a.ID - b.ID })
	return s
}

// Listen calls fn for each event from now on, instead of Options.Events and whoever
// listened before, until stop is called. Without a listener an event costs one atomic
// load. That a task has started is told when the pool learns of it, which may be when
// it is done.
func (p *Pool) Listen(fn inspect.Listener) (stop func()) {
	listener := &fn
	before := p.listener.Swap(listener)
	return func() { p.listener.CompareAndSwap(listener, before) }
}

func (p *Pool) emit(e inspect.Event) {
	if listener := p.listener.Load(); listener != nil {
		e.Executor = p.opts.Name
		e.Time = time.Now()
		(*listener)(e)
	}
}

func (p *Pool) emitTask(kind inspect.EventKind, t *futures.Task, w *worker, err error) {
	if p.listener.Load() == nil {
		return
	}
	e := inspect.Event{Kind: kind, Worker: -1, Task: t.Name(), Attempt: t.Attempt(), Err: err}
	if w != nil {
		e.Worker = w.number
	}
	if kind == inspect.TaskDone {
		e.Outcome = t.State().String()
	}
	p.emit(e)
}
