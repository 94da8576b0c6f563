package cluster

import (
	"errors"
	"strconv"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// claimEpoch stands for the epoch in the subject of a claim.
const claimEpoch = "b"

// once reports whether a message is a task that may lose no worker, and so runs at most once.
func (m *message) once() bool { return len(m.items) == 1 && m.task.Items[0].AtMost == 0 }

// claim has the server store that the task of a message begins, before it does. That a
// message comes for the first time does not say so much: a server that was killed may have
// forgotten that it was delivered, or acknowledged, and deliver it again as new. Of a claim it
// takes one.
func (w *worker) claim(m *message) {
	r := envelope.Result{Chunk: m.task.Chunk, Worker: w.id, Claim: true}
	// The id is this delivery's: if the answer is lost the same is sent again, and is no other's.
	id := w.id + "." + strconv.FormatUint(w.claims.Add(1), 36)
	subject := w.names.Result(m.task.Client, claimEpoch, m.task.Chunk, m.task.Index)
	err := w.publish.Publish(subject, id, stream.TTLHeader(stream.DuplicateWindow), envelope.AppendResult(nil, &r), func(_ uint64, err error) { w.claimed(m, err) })
	if err != nil {
		w.claimed(m, err)
	}
}

// claimed is told what became of a claim.
func (w *worker) claimed(m *message, err error) {
	switch _, denied := errors.AsType[*stream.PermissionError](err); {
	case err == nil:
		w.starter.add(m)
		return
	case stream.IsTaken(err):
		// Somebody has begun it. If he still has it there will be a result; if not, it comes again
		// when the lease is over, as one that was lost.
		w.log.Warn("cluster: a task that may run once has begun before", "worker", w.opts.Name, "client", m.task.Client, "chunk", m.task.Chunk)
	case errors.Is(err, stream.ErrClosed):
	case denied:
		w.fail(err)
	default:
		w.log.Warn("cluster: a task does not begin, as that cannot be stored", "worker", w.opts.Name, "client", m.task.Client, "err", err)
	}
	w.mu.Lock()
	w.settles(m)
	w.mu.Unlock()
	w.vacate(m)
	w.settled(m)
}
