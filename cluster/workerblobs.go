package cluster

import (
	"context"
	"fmt"

	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)

// putBlob stores what is too long for a message.
func putBlob(ctx context.Context, conn *stream.Conn, data []byte) (envelope.Blob, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	b := envelope.Blob{Name: nuid.Next(), Size: int64(len(data))}
	return b, conn.PutBlob(ctx, b.Name, data)
}

// getBlob reads what putBlob stored.
func getBlob(ctx context.Context, conn *stream.Conn, b envelope.Blob) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	return conn.GetBlob(ctx, b.Name, b.Size)
}

// fetch gets the argument, if it is in the object store.
func (it *item) fetch() error {
	spec := &it.message.task.Items[it.n]
	if spec.Blob.Name == "" {
		return nil
	}
	data, err := getBlob(it.message.worker.base, it.message.worker.conn, spec.Blob)
	it.argument = data
	return err
}

// unload puts outcomes into the object store until the rest fits into a message: those
// that are longer than a fair share.
func (w *worker) unload(m *message) {
	share := min(inline, (min(maxResult, int(w.conn.MaxPayload())-resultMargin))/len(m.items)-outcomeSize)
	for i := range m.outcomes {
		if len(m.outcomes[i].Payload) > share {
			w.putOutcome(&m.outcomes[i], m.task.Items[i].Function)
		}
	}
}

// putOutcome puts the payload of an outcome into the object store. If that fails, so has the
// task: it would not be otherwise next time.
func (w *worker) putOutcome(o *envelope.Outcome, function string) {
	b, err := putBlob(w.base, w.conn, o.Payload)
	if err == nil {
		o.Blob, o.Payload = b, nil
		return
	}
	o.Kind = envelope.Refused
	o.Payload = codec.AppendError(nil, fmt.Errorf("value of %s: %w", function, err), "")
}
