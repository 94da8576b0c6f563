package cluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// blobs keeps what is too long for a message.
type blobs struct {
	pool *Pool
	last atomic.Uint64
}

// blobWait bounds each storing and reading.
const blobWait = time.Minute

// put stores bytes and returns their name.
func (b *blobs) put(ctx context.Context, data []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	name := fmt.Sprintf("%s-%d", b.pool.client, b.last.Add(1))
	return name, b.pool.conn.PutBlob(ctx, name, data)
}

// get returns the bytes of a result, and removes them.
func (b *blobs) get(blob envelope.Blob) ([]byte, error) {
	data, err := b.read(blob)
	if err == nil {
		b.remove(blob.Name)
	}
	return data, err
}

// read returns the bytes of a blob.
func (b *blobs) read(blob envelope.Blob) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), blobWait)
	defer cancel()
	return b.pool.conn.GetBlob(ctx, blob.Name, blob.Size)
}

// remove has a blob removed that nobody needs any more. If that fails its time to live
// does it.
func (b *blobs) remove(name string) {
	b.pool.errands.do(func(done func()) {
		b.pool.conn.RemoveBlob(name, func(uint64, error) { done() })
	})
}
