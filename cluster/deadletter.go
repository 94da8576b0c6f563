package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// DeadLetter is a message that no worker will run any more: its task has lost more workers
// than it may, or it does not decode. They are kept for a week.
type DeadLetter struct {
	Time     time.Time
	Queue    string
	Reason   string
	Worker   string // that has given up
	Function string // empty if the message does not decode
	ID       string // of the task, likewise
	Argument []byte // as it travelled, a CBOR data item
	History  []Loss // of the workers that were lost, oldest first

	sequence uint64 // in the stream
	level    int
	message  []byte
}

// Loss is a worker that was lost with a task.
type Loss struct {
	Time   time.Time
	By     string // the worker that noticed
	Reason string
}

// String says what and why in one line.
func (d DeadLetter) String() string {
	what := d.Function
	if what == "" {
		what = "a message of " + strconv.Itoa(len(d.message)) + " bytes"
	}
	return fmt.Sprintf("%s in queue %s: %s", what, d.Queue, d.Reason)
}

// storeDead puts a message with the dead letters.
func (w *worker) storeDead(m *message, index int, reason, subject string, data []byte) error {
	client, chunk := m.id.client, m.id.chunk
	if client == "" {
		client = "unknown"
	}
	letter := envelope.DeadLetter{
		Time: time.Now().UnixNano(), Worker: w.id, Subject: subject,
		Reason: reason[:min(len(reason), 1<<10)], Message: data,
	}
	if most := int(w.conn.MaxPayload()) - resultMargin; len(data) > most {
		letter.Message = data[:most] // what does not fit was not valid, as its sender keeps more room
		letter.Reason += fmt.Sprintf(" (cut from %d bytes)", len(data))
	}
	w.log.Error("cluster: a dead letter", "worker", w.opts.Name, "client", client, "reason", letter.Reason)
	id := "dead." + client + "." + strconv.FormatUint(m.from.Sequence, 36) + "." + strconv.Itoa(index)
	return w.storeNow(w.names.DeadLetter(m.source.queue, client, chunk, index), id, envelope.AppendDeadLetter(nil, &letter))
}

// bury settles a message that does not decode (CL7).
func (w *worker) bury(m *message, reason error) {
	m.task.Client = m.id.client
	err := w.storeDead(m, max(m.id.index, envelope.Whole), reason.Error(), m.from.Subject, m.from.Data)
	if err == nil {
		err = m.from.Term(reason.Error())
	}
	w.vacate(m)
	if err != nil {
		w.log.Error("cluster: a message that does not decode stays in its queue", "worker", w.opts.Name, "err", err)
	}
	w.settled(m)
}

// DeadLetters yields the dead letters of the pool's namespace, of all queues and the oldest
// first. Those that come while it runs are yielded too. A letter that cannot be read is yielded as
// an error, and the rest follow; when the server cannot be asked, or ctx ends, that is the
// last thing yielded.
func (p *Pool) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return deadLetters(ctx, p.conn)
}

// Redrive queues the task of a dead letter again, as a new one that has lost no worker and has no
// deadline, and removes the letter. It returns the id of the new task, for Attach: who
// waited for the old one has been told that it has failed. The error names the letter: its message is no
// task, or the server did not take it.
func (p *Pool) Redrive(ctx context.Context, letter DeadLetter) (id string, err error) {
	return redrive(ctx, p.conn, letter)
}

func deadLetters(ctx context.Context, conn *stream.Conn) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		for next := uint64(1); ; {
			stored, err := conn.GetNext(ctx, conn.Names.Dead(), conn.Names.DeadFilter(), next)
			if errors.Is(err, stream.ErrNotFound) {
				return
			}
			var letter DeadLetter
			if err == nil {
				next = stored.Sequence + 1
				letter, err = openLetter(conn.Names, stored)
			} else {
				err = fmt.Errorf("cluster: dead letters: %w", err)
				yield(DeadLetter{}, err)
				return
			}
			if !yield(letter, err) {
				return
			}
		}
	}
}

// openLetter reads a dead letter. What of its message does not decode is left out.
func openLetter(names stream.Names, stored stream.Stored) (DeadLetter, error) {
	var e envelope.DeadLetter
	if err := envelope.ParseDeadLetter(stored.Data, &e); err != nil {
		return DeadLetter{}, fmt.Errorf("cluster: dead letter %d: %w", stored.Sequence, err)
	}
	d := DeadLetter{Time: time.Unix(0, e.Time), Reason: e.Reason, Worker: e.Worker, sequence: stored.Sequence, message: e.Message}
	subject, err := names.ParseTask(e.Subject)
	if err != nil {
		return d, nil
	}
	d.Queue, d.level = subject.Queue, subject.Level
	var t envelope.Task
	if envelope.ParseTask(e.Message, &t) != nil {
		return d, nil
	}
	for _, l := range t.History {
		d.History = append(d.History, Loss{time.Unix(0, l.Time), l.By, l.Reason})
	}
	item := &t.Items[0]
	d.Function, d.Argument = item.Function, item.Argument
	d.ID = envelope.ID{Client: t.Client, Epoch: t.Epoch, Chunk: t.Chunk, Index: item.Index}.String()
	return d, nil
}

// errNotATask is the error of a dead letter that cannot be queued again.
var errNotATask = errors.New("its message is no task")

// redrive queues the tasks of a dead letter again, as new ones that have lost nobody, and
// removes the letter. It returns the id of the first: their old ids have their results.
func redrive(ctx context.Context, conn *stream.Conn, d DeadLetter) (id string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cluster: redrive of %v: %w", d, err)
		}
	}()
	var t envelope.Task
	if err := envelope.ParseTask(d.message, &t); err != nil || d.Queue == "" {
		return "", errNotATask
	}
	// A second redrive of a letter that could not be removed makes the same of it.
	t.Client = "redriven-" + strconv.FormatUint(d.sequence, 36) + "-" + strconv.FormatInt(d.Time.UnixNano(), 36)
	t.Epoch, t.Chunk, t.Lost, t.History = "o", 1, 0, nil
	if t.Index != envelope.Whole {
		t.Index, t.Items[0].Index = envelope.Whole, 0
	}
	for i := range t.Items {
		t.Items[i].Submitted, t.Items[i].Deadline = time.Now().UnixNano(), 0
	}
	subject := conn.Names.Task(d.Queue, d.level, t.Client, t.Chunk, t.Index)
	_, err = conn.JS.Publish(ctx, subject, envelope.AppendTask(nil, &t), jetstream.WithMsgID(t.Client))
	if err != nil {
		return "", err
	}
	removed := make(chan error, 1)
	conn.Delete(conn.Names.Dead(), d.sequence, func(_ bool, err error) { removed <- err })
	id = envelope.ID{Client: t.Client, Epoch: t.Epoch, Chunk: t.Chunk, Index: t.Items[0].Index}.String()
	return id, <-removed
}
