package cluster

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// blobs keeps what is too long for a message in the object store.
type blobs struct {
	pool *Pool
	last atomic.Uint64

	mu    sync.Mutex
	store jetstream.ObjectStore // opened when it is needed
}

// blobWait bounds each use of the object store, which may hang.
const blobWait = time.Minute

func (b *blobs) open(ctx context.Context) (jetstream.ObjectStore, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store != nil {
		return b.store, nil
	}
	store, err := b.pool.conn.JS.ObjectStore(ctx, b.pool.conn.Names.Blobs())
	if err != nil {
		return nil, fmt.Errorf("object store %s: %w", b.pool.conn.Names.Blobs(), err)
	}
	b.store = store
	return store, nil
}

// put stores bytes and returns their name.
func (b *blobs) put(ctx context.Context, data []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, blobWait)
	defer cancel()
	store, err := b.open(ctx)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%d", b.pool.client, b.last.Add(1))
	if _, err := store.PutBytes(ctx, name, data); err != nil {
		b.remove(name) // what was stored of it
		return "", fmt.Errorf("object store %s: %w", b.pool.conn.Names.Blobs(), err)
	}
	return name, nil
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
	store, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	data, err := store.GetBytes(ctx, blob.Name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("object store %s: %s: %w", b.pool.conn.Names.Blobs(), blob.Name, err)
	case int64(len(data)) != blob.Size:
		return nil, fmt.Errorf("object store %s: %s has %d bytes, want %d", b.pool.conn.Names.Blobs(), blob.Name, len(data), blob.Size)
	}
	return data, nil
}

// remove has a blob removed that nobody needs any more.
func (b *blobs) remove(name string) {
	b.pool.errands.do(func(done func()) {
		go func() {
			defer done()
			ctx, cancel := context.WithTimeout(context.Background(), blobWait)
			defer cancel()
			if store, err := b.open(ctx); err == nil {
				_ = store.Delete(ctx, name) // its time to live will do it too
			}
		}()
	})
}
