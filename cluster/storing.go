package cluster

import (
	"errors"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

const (
	crowdedPause = 50 * time.Millisecond // nothing is pulled for so long by who has a full executor
	storeAgain   = 500 * time.Millisecond
	storeReport  = 10 * time.Second // a failure to store is logged so often
)

// finish goes on with a message whose items are all done.
func (w *worker) finish(m *message) {
	var o orders
	w.mu.Lock()
	if m.phase != phaseStarted {
		w.mu.Unlock()
		return // the worker has ended and did not wait
	}
	m.phase = phaseStoring
	w.slots.vacate(m)
	w.slots.saw(m)
	w.mu.Unlock()
	w.store(m)
	w.mu.Lock()
	w.plan(&o)
	w.mu.Unlock()
	w.carryOut(&o)
}

// store publishes the result of a message, or settles it otherwise if there is none of all
// items.
func (w *worker) store(m *message) {
	size := 0
	for i, it := range m.items {
		if it.back {
			w.mu.Lock()
			w.settles(m)
			w.mu.Unlock()
			w.helpers.Go(func() { w.settle(m) })
			return
		}
		if len(m.outcomes[i].Payload) > inline {
			size = maxResult // some go to the object store
		}
		size += len(m.outcomes[i].Payload) + outcomeSize
	}
	if size > min(maxResult, int(w.conn.MaxPayload())-resultMargin) {
		w.helpers.Go(func() {
			w.unload(m)
			w.publishResult(m)
		})
		return
	}
	w.publishResult(m)
}

const (
	inline       = 256 << 10 // what is longer goes to the object store
	maxResult    = 768 << 10 // of a result message
	resultMargin = 8 << 10   // for its head and what the protocol adds
	outcomeSize  = 32        // that an outcome takes beside its payload
)

func (w *worker) publishResult(m *message) {
	r := envelope.Result{Chunk: m.task.Chunk, Worker: w.id, Items: m.outcomes}
	m.result = envelope.AppendResult(m.result[:0], &r)
	w.sendResult(m)
}

// sendResult is called again until the result is stored.
func (w *worker) sendResult(m *message) {
	subject := w.names.Result(m.task.Client, m.task.Epoch, m.task.Chunk, m.task.Index)
	if err := w.publish.Publish(subject, "", nil, m.result, m.stored); err != nil {
		m.resultStored(0, err)
	}
}

// resultStored is told what became of the result: it is stored, or somebody else's was
// there first (CL1), which is as good.
func (m *message) resultStored(_ uint64, err error) {
	w := m.worker
	switch _, denied := errors.AsType[*stream.PermissionError](err); {
	case err == nil, stream.IsTaken(err):
		w.answered(m)
	case errors.Is(err, stream.ErrClosed):
		w.settled(m)
	case denied:
		w.fail(err)
		w.settled(m)
	default:
		w.log.Warn("cluster: a result is not stored yet", "worker", w.opts.Name, "client", m.task.Client, "err", err)
		if stream.IsStorage(err) {
			// Tasks take all the room, and none would ever end: this one gives its place. Until the
			// result is stored it is here, and where its client has heard it.
			_ = m.from.Ack()
		}
		w.mu.Lock()
		m.retryAt = w.now() + int64(storeAgain)
		w.mu.Unlock()
	}
}

// answered tells the server that a message is done with (W1).
func (w *worker) answered(m *message) {
	_ = m.from.Ack() // if it is lost, the message comes again, and its result is there
	w.mu.Lock()
	again := m.again
	w.mu.Unlock()
	for _, from := range again {
		_ = from.Ack()
	}
	w.settled(m)
}
