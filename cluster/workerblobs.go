package cluster

import (
	"context"
	"fmt"

	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)


// putBlob puts what is too long for a message into the object store.
func putBlob(ctx context.Context, conn *stream.Conn, data []byte) (envelope.Blob, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	b := envelope.Blob{Name: nuid.Next(), Size: int64(len(data))}
	store, err := conn.JS.ObjectStore(ctx, conn.Names.Blobs())
	if err == nil {
		_, err = store.PutBytes(ctx, b.Name, data)
	}
	if err != nil {
		return b, fmt.Errorf("%d bytes are not stored: %w", len(data), err)
	}
	return b, nil
}

// getBlob reads what putBlob stored, and checks that it is complete.
func getBlob(ctx context.Context, conn *stream.Conn, b envelope.Blob) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	var data []byte
	store, err := conn.JS.ObjectStore(ctx, conn.Names.Blobs())
	if err == nil {
		data, err = store.GetBytes(ctx, b.Name)
	}
	if err == nil && int64(len(data)) != b.Size {
		err = fmt.Errorf("%d bytes are there", len(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%d bytes of the object store: %w", b.Size, err)
	}
	return data, nil
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
