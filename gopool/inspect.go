package gopool

import (
	"maps"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// statistics are those of workers that are gone. They are guarded by Pool.mu.
type statistics struct{ functions map[string]inspect.Function }

// merge takes over what a worker has counted.
func (s *statistics) merge(ps *profiles) {
	if s.functions == nil {
		s.functions = make(map[string]inspect.Function)
	}
	for _, p := range ps.all {
		p.addTo(s.functions)
	}
}

// Inspect returns the pool's state: workers with what they are doing, the queue,
// and the outcomes and latencies of tasks by function. It is cheap enough to be
// called every second.
func (p *Pool) Inspect() inspect.Snapshot {
	s := inspect.Snapshot{Kind: "gopool", Name: p.opts.Name, Time: time.Now(), Capacity: p.opts.Queue}
	s.Queued, s.Blocked = p.queue.Len()
	if err := p.brokenError(); err != nil {
		s.Broken = err.Error()
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	s.Limit = int(p.limit.Load())
	s.Waiting = p.waiting + len(p.resumers)
	s.Delayed = len(p.delayed)
	s.Closed = p.closed
	s.Functions = maps.Clone(p.stats.functions)
	if s.Functions == nil {
		s.Functions = make(map[string]inspect.Function)
	}
	for w := range p.workers {
		worker := p.inspectWorker(w)
		for _, prof := range w.profiles.all {
			worker.Done += prof.addTo(s.Functions)
		}
		if worker.State == inspect.Busy {
			s.Running++
		}
		s.Workers = append(s.Workers, worker)
	}
	slices.SortFunc(s.Workers, func(a, b inspect.Worker) int { return a.ID - b.ID })
	return s
}

// inspectWorker describes one worker. The caller holds p.mu.
func (p *Pool) inspectWorker(w *worker) inspect.Worker {
	worker := inspect.Worker{ID: w.id, State: inspect.Searching}
	switch {
	case !w.ready.Load():
		worker.State = inspect.Starting
	case slices.Contains(p.idle, w):
		worker.State = inspect.Idle
	}
	if t := w.task.Load(); t != nil && t.State() == futures.Running {
		worker.State = inspect.Busy
		if t.Waiting() {
			worker.State = inspect.Waiting
		}
		worker.Task = t.Name()
		if began := w.started.Load(); began != 0 {
			worker.Since = time.Unix(0, began)
		}
	}
	return worker
}

// Listen calls fn for each event from now on, instead of Options.Events and
// whoever listened before, until stop is called. Without a listener an event
// costs one atomic load.
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

func (p *Pool) emitTask(kind inspect.EventKind, t *futures.Task, err error) {
	if p.listener.Load() == nil {
		return
	}
	e := inspect.Event{Kind: kind, Worker: -1, Task: t.Name(), Attempt: t.Attempt(), Err: err}
	if kind != inspect.TaskQueued {
		e.Worker = t.Worker()
	}
	if kind == inspect.TaskDone {
		e.Outcome = t.State().String()
	}
	p.emit(e)
}
