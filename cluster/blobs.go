package cluster

import (
	"context"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// blobWait bounds each storing and reading of a blob.
const blobWait = time.Minute

// fetchBlob returns the payload of an outcome of which nobody has the id, and has it removed.
func (p *Pool) fetchBlob(b envelope.Blob, kept bool) ([]byte, error) {
	data, err := getBlob(context.Background(), p.conn, b)
	if err == nil && !kept {
		p.removeBlob(b.Name)
	}
	return data, err
}

// removeBlob has a blob removed that nobody needs any more. If that fails its time to live
// does it.
func (p *Pool) removeBlob(name string) {
	p.errands.do(func(done func()) {
		p.conn.RemoveBlob(name, func(uint64, error) { done() })
	})
}
