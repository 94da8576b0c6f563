package cluster

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)

// A message that was delivered before, and is again, had a worker that was lost. It is never
// run as it is: of a chunk nobody knows which items have begun, and its worker may only have
// been silent for a while. So each of its items is queued anew, in a message and with a
// result of its own, and to begin with the chunk's result is made to say so: if the first worker
// comes back with the chunk's outcomes, they are refused. What a worker hands back goes the
// same way, but that nobody was lost.

const (
	settleAgain   = 100 * time.Millisecond // between two attempts to store, at first
	settleLongest = 5 * time.Second
)

// recover settles a message whose worker was lost.
func (w *worker) recover(m *message) {
	loss := envelope.Loss{
		Time: time.Now().UnixNano(), By: w.id,
		Reason: fmt.Sprintf("a worker that had it was silent for %v", w.opts.Lease),
	}
	w.log.Warn("cluster: a worker was lost", "worker", w.opts.Name, "client", m.task.Client, "tasks", len(m.items), "delivered", m.from.Delivered)
	for i, it := range m.items {
		it.shut()
		if w.cancels.have(m.task.Client, m.refOf(i)) {
			it.noteStopped()
			continue
		}
		it.back, it.why = true, loss.Reason
	}
	w.requeue(m, &loss)
}

// handBack settles a message of which nothing was begun.
func (w *worker) handBack(m *message, why string) {
	client, returned := m.task.Client, make([]envelope.Ref, 0, len(m.items))
	for i, it := range m.items {
		it.shut()
		if it.stop.Load() == stopCancelled {
			it.noteStopped() // its client has been told that it will not begin
			continue
		}
		it.back, it.why = true, why
		returned = append(returned, m.refOf(i))
	}
	if w.requeue(m, nil) {
		_ = w.notify(client, &envelope.Notice{Worker: w.id, Returned: returned}) // m is another message by now
	}
}

// settle settles a message some of whose items are to be queued again, and the others have
// outcomes.
func (w *worker) settle(m *message) { w.requeue(m, nil) }

// requeue stores the outcomes that the items of a message have, queues the others again, and
// then answers the message. loss is nil if its worker was not lost, but gives them back. It
// reports whether they were queued. If another worker is faster somewhere on the way, what
// both store is the same (W1): ids are made of the message's sequence number.
func (w *worker) requeue(m *message, loss *envelope.Loss) bool {
	there, err := w.resultOf(m)
	if there || err != nil {
		w.over(m, err)
		return false
	}
	if err := w.requeueItems(m, loss); err != nil {
		w.over(m, err)
		return false
	}
	w.over(m, nil)
	return true
}

// over ends the settling of a message.
func (w *worker) over(m *message, err error) {
	w.vacate(m)
	if err != nil {
		// The connection is closed, or this user may not do it: the lease ends, and another worker
		// sees to it.
		w.log.Error("cluster: a task is not given back", "worker", w.opts.Name, "client", m.id.client, "err", err)
		w.settled(m)
		return
	}
	w.answered(m)
}

// resultOf makes sure that nobody else's result of the message can be accepted from now
// on, or reports that one was.
func (w *worker) resultOf(m *message) (there bool, err error) {
	subject := w.names.Result(m.task.Client, m.task.Epoch, m.task.Chunk, m.task.Index)
	if len(m.items) == 1 {
		// Its result will have the same subject: of two outcomes the first counts.
		_, err := w.conn.GetLast(w.base, w.names.Results(), subject)
		if errors.Is(err, stream.ErrNotFound) {
			return false, nil
		}
		return err == nil, err
	}
	split := envelope.AppendResult(nil, &envelope.Result{Chunk: m.task.Chunk, Split: true, Worker: w.id})
	err = w.storeNow(subject, "", split)
	if !stream.IsTaken(err) {
		return false, err
	}
	have, err := w.conn.GetLast(w.base, w.names.Results(), subject)
	if errors.Is(err, stream.ErrNotFound) {
		return true, nil // the client has taken it
	}
	var r envelope.Result
	if err == nil {
		err = envelope.ParseResult(have.Data, &r)
	}
	return !r.Split, err // who has split it before may have been lost in the middle
}

// requeueItems deals with each item of a message.
func (w *worker) requeueItems(m *message, loss *envelope.Loss) error {
	t := envelope.Task{Client: m.task.Client, Epoch: m.task.Epoch, Chunk: m.task.Chunk, Lost: m.task.Lost, History: m.task.History}
	if loss != nil {
		t.Lost = min(t.Lost+1, envelope.MaxLost)
		t.History = append(t.History[max(0, len(t.History)-envelope.MaxLosses+1):], *loss)
	}
	for i, it := range m.items {
		spec := m.task.Items[i]
		t.Items = []envelope.Item{spec}
		if t.Index = m.task.Index; len(m.items) > 1 {
			t.Index = spec.Index
		}
		var err error
		switch {
		case !it.back:
			err = w.storeOutcome(&t, m.outcomes[i])
		case loss != nil && t.Lost > spec.AtMost:
			err = w.giveUp(m, &t)
		default:
			subject := w.names.Task(m.source.queue, m.source.level, t.Client, t.Chunk, t.Index)
			id := t.Client + "." + strconv.FormatUint(m.from.Sequence, 36) + "." + strconv.Itoa(spec.Index)
			err = w.storeNow(subject, id, envelope.AppendTask(nil, &t))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// storeOutcome stores the result of one item.
func (w *worker) storeOutcome(t *envelope.Task, o envelope.Outcome) error {
	if len(o.Payload) > inline {
		w.putOutcome(&o, t.Items[0].Function)
	}
	r := envelope.Result{Chunk: t.Chunk, Worker: w.id, Items: []envelope.Outcome{o}}
	err := w.storeNow(w.names.Result(t.Client, t.Epoch, t.Chunk, t.Index), "", envelope.AppendResult(nil, &r))
	if stream.IsTaken(err) {
		return nil
	}
	return err
}

// giveUp puts a task that has lost as many workers as it may with the dead letters, and
// stores that as its outcome.
func (w *worker) giveUp(m *message, t *envelope.Task) error {
	spec := &t.Items[0]
	reason := fmt.Sprintf("%s has lost %d workers, at most %d are allowed", spec.Function, t.Lost, spec.AtMost)
	subject := w.names.Task(m.source.queue, m.source.level, t.Client, t.Chunk, t.Index)
	if err := w.storeDead(m, t.Index, reason, subject, envelope.AppendTask(nil, t)); err != nil {
		return err
	}
	last := t.History[len(t.History)-1]
	record := codec.AppendError(nil, fmt.Errorf("its worker was lost: %s", last.Reason), "")
	return w.storeOutcome(t, envelope.Outcome{Index: spec.Index, Kind: envelope.Lost, Attempts: min(t.Lost, envelope.MaxAttempts), Payload: record})
}

// storeNow stores a message, and returns when it is stored or never will be. While a stream
// is full or the server busy it tries again.
func (w *worker) storeNow(subject, id string, data []byte) error {
	answers := make(chan error, 1)
	for pause := settleAgain; ; pause = min(2*pause, settleLongest) {
		if err := w.publish.Publish(subject, id, nil, data, func(_ uint64, err error) { answers <- err }); err != nil {
			return err
		}
		err := <-answers
		if !stream.IsFull(err) && !stream.IsStorage(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-w.quit:
			return err
		}
	}
}
