package taskqueue

import (
	"context"
	"slices"

	"github.com/futures-go/futures"
)

// gate decides who may push. It is guarded by Queue.mu.
type gate struct {
	room   int   // pushes that fit for certain; counted anew when it is used up
	refuse error // why nothing is taken any more; nil while the queue is open

	// submitters are those who wait for room, in the order in which they came.
	submitters []*submitter
}

// submitter is a call of Push that waits for room.
type submitter struct {
	task   *futures.Task
	turn   chan struct{} // closed when it was admitted or refused
	refuse error         // valid once turn is closed
}

// Push puts t into the queue. If the queue is full it waits for room until ctx
// ends, and then returns the cause; a task that submits another one gives its
// slot back meanwhile. It refuses with futures.ErrQueueFull if the queue was made
// so, and with the reason given to Refuse.
func (q *Queue) Push(ctx context.Context, t *futures.Task) error {
	q.mu.Lock()
	if q.gate.room > 0 && q.gate.refuse == nil {
		q.gate.room--
		q.push(t)
		q.mu.Unlock()
		return nil
	}
	return q.admit(ctx, t)
}

// admit is the slow path of Push: the room was used up, or nothing is taken any
// more. It is called with q.mu locked and unlocks it.
func (q *Queue) admit(ctx context.Context, t *futures.Task) error {
	if err := q.gate.refuse; err != nil {
		q.mu.Unlock()
		return err
	}
	if q.tryPush(t) {
		q.mu.Unlock()
		return nil
	}
	if q.reject {
		q.mu.Unlock()
		return futures.ErrQueueFull
	}
	s := &submitter{task: t, turn: make(chan struct{})}
	q.gate.submitters = append(q.gate.submitters, s)
	q.blocked.Store(int32(len(q.gate.submitters)))
	// Who popped before it could see us blocked leaves the release to us.
	released := q.release()
	q.mu.Unlock()
	if released {
		q.pushed()
	}
	select {
	case <-s.turn:
		return s.refuse
	default:
	}
	// A task that waits for room must not keep the slot that it takes to make
	// room.
	if parent := futures.CurrentTask(ctx); parent != nil {
		defer parent.Blocking()()
	}
	select {
	case <-s.turn:
		return s.refuse
	case <-ctx.Done():
		return q.giveUp(ctx, s)
	}
}

// tryPush pushes t if there is room for it and nobody was there before. The
// caller holds q.mu.
func (q *Queue) tryPush(t *futures.Task) bool {
	if q.gate.room <= 0 {
		q.gate.room = q.room()
	}
	if q.gate.room <= 0 || len(q.gate.submitters) > 0 {
		return false
	}
	q.gate.room--
	q.push(t)
	return true
}

// Requeue puts back a task that was admitted before, so it needs no room.
func (q *Queue) Requeue(t *futures.Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gate.room--
	q.push(t)
}

// giveUp ends the wait of a submitter whose context has ended. It may have been
// admitted or refused at the last moment.
func (q *Queue) giveUp(ctx context.Context, s *submitter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.gate.submitters, s)
	if i < 0 {
		return s.refuse
	}
	q.gate.submitters = slices.Delete(q.gate.submitters, i, i+1)
	q.blocked.Store(int32(len(q.gate.submitters)))
	return context.Cause(ctx)
}

// Popped lets those who wait for room in, once the queue is half empty: in larger
// steps, so that not every task costs a hand-over. It is called after a Pop.
func (q *Queue) Popped() {
	if q.blocked.Load() == 0 {
		return
	}
	q.mu.Lock()
	released := q.release()
	q.mu.Unlock()
	if released {
		q.pushed()
	}
}

// release admits those who wait if the queue is half empty. The caller holds q.mu.
func (q *Queue) release() bool {
	room := q.room()
	if room < q.capacity-q.capacity/2 {
		return false
	}
	n := min(room, len(q.gate.submitters))
	for _, s := range q.gate.submitters[:n] {
		q.push(s.task)
		close(s.turn)
	}
	q.gate.submitters = slices.Delete(q.gate.submitters, 0, n)
	q.blocked.Store(int32(len(q.gate.submitters)))
	q.gate.room = room - n
	return n > 0
}

// Refuse makes the queue refuse all further tasks with err, and those who wait
// for room. The first reason stays.
func (q *Queue) Refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gate.refuse == nil {
		q.gate.refuse = err
	}
	for _, s := range q.gate.submitters {
		s.refuse = q.gate.refuse
		close(s.turn)
	}
	q.gate.submitters = nil
	q.blocked.Store(0)
}

// Refusal returns the reason given to Refuse, nil while the queue is open.
func (q *Queue) Refusal() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.gate.refuse
}
