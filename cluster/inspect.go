package cluster

import (
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// Inspect returns the pool's state: its tasks and their outcomes by function. It asks the
// server which tasks have begun, so it takes a round trip, or a second if there is no connection.
func (p *Pool) Inspect() inspect.Snapshot {
	if p.waiting.Load() > 0 {
		p.fence()
	}
	s := inspect.Snapshot{Kind: "cluster", Name: p.opts.Name, Time: time.Now(), Capacity: p.opts.Queue, Limit: p.Size()}
	queued, blocked := p.queue.Len()
	s.Queued, s.Blocked, s.Delayed = queued+int(p.waiting.Load()), blocked, p.delays.Len()
	s.Functions = make(map[string]inspect.Function)
	p.functions.Lock()
	for _, f := range p.functions.All() {
		s.Functions[f.name] = f.counts.Snapshot()
	}
	p.functions.Unlock()
	p.feed.Lock()
	for _, c := range p.chunks {
		if s.Time.Before(c.due) {
			s.Delayed += c.left
		}
		for _, j := range c.jobs {
			if j != nil && j.begun {
				s.Running++
			}
		}
	}
	p.feed.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Closed = p.closed
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

func (p *Pool) emitTask(kind inspect.EventKind, t *futures.Task, worker int, err error) {
	if p.listener.Load() == nil {
		return
	}
	e := inspect.Event{Kind: kind, Worker: worker, Task: t.Name(), Attempt: t.Attempt(), Err: err}
	if kind == inspect.TaskDone {
		e.Outcome = t.State().String()
	}
	p.emit(e)
}
