package gopool

import (
	"context"
	"slices"

	"github.com/futures-go/futures"
)

// gate decides who may push into the queue. It is guarded by queue.mu.
type gate struct {
	room   int   // pushes that fit for certain; counted anew when it is used up
	refuse error // why nothing is taken any more; nil while the pool is open

	// submitters are those who wait for room, in the order in which they came.
	submitters []*submitter
}

// submitter is a call of Execute that waits for room.
type submitter struct {
	task   *futures.Task
	turn   chan struct{} // closed when it was admitted or refused
	refuse error         // valid once turn is closed
}

// admit is the slow path of Execute: the room was used up, or the pool takes no
// more. It is called with queue.mu locked and unlocks it.
func (p *Pool) admit(ctx context.Context, t *futures.Task) error {
	if p.queue.gate.refuse != nil {
		defer p.queue.mu.Unlock()
		return p.queue.gate.refuse
	}
	if p.tryPush(t) {
		p.queue.mu.Unlock()
		return nil
	}
	if p.opts.RejectWhenFull {
		p.queue.mu.Unlock()
		return futures.ErrQueueFull
	}
	s := &submitter{task: t, turn: make(chan struct{})}
	p.queue.gate.submitters = append(p.queue.gate.submitters, s)
	p.queue.blocked.Store(int32(len(p.queue.gate.submitters)))
	// A worker that popped before it could see us blocked leaves it to us.
	p.releaseLocked()
	p.queue.mu.Unlock()

	// A submitting task that waits for room must not keep the slot that is
	// needed to make room.
	select {
	case <-s.turn:
		return s.refuse
	default:
	}
	if parent := futures.CurrentTask(ctx); parent != nil {
		defer parent.Blocking()()
	}
	select {
	case <-s.turn:
		return s.refuse
	case <-ctx.Done():
		return p.giveUp(ctx, s)
	}
}

// tryPush pushes t if there is room for it. The caller holds queue.mu.
func (p *Pool) tryPush(t *futures.Task) bool {
	if p.queue.gate.room <= 0 {
		p.queue.gate.room = p.opts.Queue - p.queue.live()
	}
	if p.queue.gate.room <= 0 || len(p.queue.gate.submitters) > 0 {
		return false
	}
	p.queue.gate.room--
	p.queue.push(t)
	return true
}

// giveUp ends the wait of a submitter whose context has ended. It may have been
// admitted or refused at the last moment.
func (p *Pool) giveUp(ctx context.Context, s *submitter) error {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	i := slices.Index(p.queue.gate.submitters, s)
	if i < 0 {
		return s.refuse
	}
	p.queue.gate.submitters = slices.Delete(p.queue.gate.submitters, i, i+1)
	p.queue.blocked.Store(int32(len(p.queue.gate.submitters)))
	return context.Cause(ctx)
}

// release admits those who wait, once the queue is half empty: in larger steps,
// so that not every task costs a hand-over.
func (p *Pool) release() {
	p.queue.mu.Lock()
	released := p.releaseLocked()
	p.queue.mu.Unlock()
	if released {
		p.wakeIfNeeded()
	}
}

func (p *Pool) releaseLocked() bool {
	room := p.opts.Queue - p.queue.live()
	if room < (p.opts.Queue+1)/2 {
		return false
	}
	n := min(room, len(p.queue.gate.submitters))
	for _, s := range p.queue.gate.submitters[:n] {
		p.queue.push(s.task)
		close(s.turn)
	}
	p.queue.gate.submitters = slices.Delete(p.queue.gate.submitters, 0, n)
	p.queue.blocked.Store(int32(len(p.queue.gate.submitters)))
	p.queue.gate.room = room - n
	return n > 0
}

// refuse makes the pool refuse all further tasks with err, and those who wait
// for room. The first reason stays.
func (p *Pool) refuse(err error) {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	if p.queue.gate.refuse == nil {
		p.queue.gate.refuse = err
	}
	for _, s := range p.queue.gate.submitters {
		s.refuse = p.queue.gate.refuse
		close(s.turn)
	}
	p.queue.gate.submitters = nil
	p.queue.blocked.Store(0)
}
