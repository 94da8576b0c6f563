package gopool

import (
	"context"
	"time"

	"github.com/futures-go/futures"
)

// delayed is what will put a task into the queue, or take it off the pool, later.
type delayed struct {
	timer *time.Timer
	watch func() bool // ends the watch of the context given to Submit; nil if there is none
}

// delayFirst keeps a task until its Delay is over. It is admitted then already: it holds no
// place in the queue and will need no room there. If ctx ends before, so does the task.
func (p *Pool) delayFirst(ctx context.Context, t *futures.Task, wait time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if reason := p.queue.Refusal(); reason != nil {
		return reason
	}
	d := delayed{timer: time.AfterFunc(wait, func() { p.requeue(t) })}
	if ctx.Done() != nil {
		d.watch = context.AfterFunc(ctx, func() { t.Expire() })
	}
	p.delayed[t] = d
	return nil
}

// delay keeps a task that will be started again after a while.
func (p *Pool) delay(t *futures.Task, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.State() != futures.Pending {
		p.queue.Skipped() // cancelled before it got here; host.Cancelled took it for queued
		return
	}
	p.delayed[t] = delayed{timer: time.AfterFunc(wait, func() { p.requeue(t) })}
}

// forget takes a task out of those that are delayed. It reports whether it was among them.
// The caller holds p.mu.
func (p *Pool) forget(t *futures.Task) bool {
	d, still := p.delayed[t]
	if !still {
		return false
	}
	delete(p.delayed, t)
	d.timer.Stop()
	if d.watch != nil {
		d.watch()
	}
	return true
}

// requeue puts a task whose delay is over into the queue. It was admitted before, so it
// needs no room.
func (p *Pool) requeue(t *futures.Task) {
	p.mu.Lock()
	still := p.forget(t)
	broken := p.brokenError()
	if still && broken == nil {
		p.queue.Requeue(t)
	}
	p.settle()
	p.mu.Unlock()
	if still && broken != nil {
		t.Refuse(broken)
	}
	p.wakeIfNeeded()
	if p.killed.Load() {
		t.Cancel()
	}
}
