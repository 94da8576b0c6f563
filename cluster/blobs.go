package cluster

import (
	"context"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// blobWait bounds each use of the object store, which may hang.
const blobWait = time.Minute

// fetchBlob returns the payload of an outcome of which nobody has the id, and has it removed.
func (p *Pool) fetchBlob(b envelope.Blob, kept bool) ([]byte, error) {
	data, err := getBlob(context.Background(), p.conn, b)
	if err == nil && !kept {
		p.removeBlob(b.Name)
	}
	return data, err
}

// removeBlob has an object removed that nobody needs any more.
func (p *Pool) removeBlob(name string) {
	p.errands.do(func(done func()) {
		go func() {
			defer done()
			ctx, cancel := context.WithTimeout(context.Background(), blobWait)
			defer cancel()
			if store, err := p.conn.JS.ObjectStore(ctx, p.conn.Names.Blobs()); err == nil {
				_ = store.Delete(ctx, name) // its time to live will do it too
			}
		}()
	})
}
