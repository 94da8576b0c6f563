package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// settleFor is how long it may take until what is done is stored.
const settleFor = 10 * time.Second

// drain ends the worker. It takes nothing more, gives back what it has not begun, and
// finishes what runs; what is not done after timeout is cancelled and given back, as far as
// it may run again. Nothing is left of the worker then, but tasks that do not heed their context:
// the error tells how many.
func (w *worker) drain(timeout time.Duration) error {
	held := w.stopTaking()
	for _, m := range held {
		w.helpers.Go(func() { w.handBack(m, "its worker is draining") })
	}
	var err error
	if !w.idleWithin(timeout) {
		w.stopTasks()
		if !w.idleWithin(w.opts.Obey) {
			err = w.abandon()
		}
	}
	w.stopPulling()
	if !w.idleWithin(settleFor) && err == nil {
		w.mu.Lock()
		err = fmt.Errorf("%d messages were not settled within %v", len(w.messages), settleFor)
		w.mu.Unlock()
	}
	return errors.Join(err, w.end())
}

// stopTaking makes the worker ask for nothing more, and returns the messages that wait for
// a slot. What still comes is given back at once.
func (w *worker) stopTaking() (held []*message) {
	w.mu.Lock()
	w.draining = true
	for level := range w.held {
		held = append(held, w.held[level]...)
		w.held[level] = nil
	}
	for _, m := range held {
		w.settles(m)
	}
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
	w.forget()
	w.asksNothing = time.Now()
	return held
}

// idleWithin waits until the worker has no message. It reports whether that was in time.
func (w *worker) idleWithin(timeout time.Duration) bool {
	w.mu.Lock()
	if len(w.messages) == 0 {
		w.mu.Unlock()
		return true
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	timer := time.NewTimer(max(0, timeout))
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// stopTasks cancels what runs, and what waits for room on the executor.
func (w *worker) stopTasks() {
	var tasks []*futures.Task
	w.mu.Lock()
	for m := range w.messages {
		m.stopping.Store(stopDrained)
		for _, it := range m.items {
			if t := it.task.Load(); t != nil && !it.ended.Load() {
				tasks = append(tasks, t)
			}
		}
	}
	w.mu.Unlock()
	for _, t := range tasks {
		t.Cancel()
	}
	w.stop()
}

// abandon settles the messages of tasks that do not end: to their clients the worker is
// lost. What they come to later is not stored.
func (w *worker) abandon() error {
	var left []*message
	stuck := 0
	w.mu.Lock()
	for m := range w.messages {
		if m.phase != phaseStarted {
			continue
		}
		w.settles(m) // finish will leave it alone, if that ever comes
		delete(w.messages, m)
		n := m.rest()
		left = append(left, n)
		for _, it := range n.items {
			if it.back {
				stuck++
			}
		}
	}
	for _, n := range left {
		w.messages[n] = struct{}{}
	}
	w.abandoned = stuck > 0
	w.mu.Unlock()
	loss := envelope.Loss{Time: time.Now().UnixNano(), By: w.id, Reason: "its worker ended, and the task did not"}
	for _, m := range left {
		w.helpers.Go(func() { w.requeue(m, &loss) })
	}
	if stuck == 0 {
		return nil
	}
	return fmt.Errorf("%d tasks go on although they were cancelled %v ago", stuck, w.opts.Obey)
}

// rest returns a message in the place of one whose items do not all end: the outcomes that
// are there, and the others to be queued again. What becomes of those later changes the old
// one, which is not used again.
func (m *message) rest() *message {
	n := newMessage(m.worker)
	n.from, n.again, n.source, n.id, n.task, n.phase, n.leased = m.from, m.again, m.source, m.id, m.task, phaseSettling, m.leased
	n.outcomes = make([]envelope.Outcome, len(m.items))
	for i, old := range m.items {
		it := &item{message: n, n: i, fn: old.fn}
		if old.ended.Load() {
			it.back, it.why = old.back, old.why
			n.outcomes[i] = m.outcomes[i]
		} else {
			it.back, it.why = true, endedWhy
		}
		n.items = append(n.items, it)
	}
	return n
}

// stopPulling ends the pullers. Among several servers one may send something before it has
// heard of that, to nobody, and who reads its lease as a loss is wrong: so the requests that
// they have are left to expire.
func (w *worker) stopPulling() {
	if w.conn.Clustered() {
		time.Sleep(time.Until(w.asksNothing.Add(stream.PullExpires)))
	}
	for _, sources := range w.sources {
		for _, s := range sources {
			s.puller.Stop()
		}
	}
}

// end releases everything, of a worker that may have begun only in part. The connection
// stays.
func (w *worker) end() (err error) {
	close(w.quit)
	w.helpers.Wait()
	w.stop()
	for _, s := range []*nats.Subscription{w.hears, w.has} {
		if s != nil {
			_ = s.Unsubscribe() // fails only if the connection has ended it
		}
	}
	if w.conn.NC.IsConnected() {
		ctx, cancel := context.WithTimeout(context.Background(), noticeWait)
		defer cancel()
		_ = w.conn.Fence(ctx) // acknowledgements are on their way; those that are lost cost another delivery
	}
	if w.own == nil {
		return nil
	}
	if w.abandoned {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = w.own.Shutdown(ended) // says what abandon has said
		return nil
	}
	return w.own.Close()
}
