package stream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

const (
	blobPart   = 128 << 10 // bytes in a message, if the server takes as much
	blobMargin = 1 << 10   // bytes of a message that are not the part's
	blobWindow = 32        // parts on their way

	replicaLag   = 5 * time.Second // that a server may be behind
	replicaPause = 20 * time.Millisecond
)

// A blob is what is too long for a message: parts, a message each, with the subjects
// Part(name, 0), Part(name, 1) and so on. All but the last have the same length. JetStream's
// object stores do the same; they also keep a record of each object, and of each that was
// deleted until its time is over, and a reader is a consumer. Here whoever has a blob's
// name knows its size, and a part is one request.

// PutBlob stores data in parts. When it returns an error nothing of them is left, if
// the server could be asked to remove it. Data is the caller's again when it returns.
func (c *Conn) PutBlob(ctx context.Context, name string, data []byte) error {
	p := Publisher{c.parts}
	part := int(min(blobPart, c.MaxPayload()-blobMargin))
	err := windowed(ctx, max(1, (len(data)+part-1)/part), func(i int, done func(error)) {
		piece := bytes.Clone(data[i*part : min(len(data), (i+1)*part)]) // it may outlive ctx
		if err := p.Publish(c.Names.Part(name, i), "", nil, piece, func(_ uint64, err error) { done(err) }); err != nil {
			done(err)
		}
	})
	if err != nil {
		removed := make(chan struct{})
		c.RemoveBlob(name, func(uint64, error) { close(removed) }) // its time to live does it too
		select {
		case <-removed:
		case <-ctx.Done():
		}
		return fmt.Errorf("%s: %s: %d bytes are not stored: %w", c.where, c.Names.Blobs(), len(data), err)
	}
	return nil
}

// GetBlob returns what was stored with a name and has that size. The error wraps
// ErrNotFound if it is not there, or not all of it. Of several servers the one that is asked may
// be a moment behind the one that stored it, so there it is asked again for a while.
func (c *Conn) GetBlob(ctx context.Context, name string, size int64) ([]byte, error) {
	data, err := c.getBlob(ctx, name, size)
	if c.Clustered() {
		for end := time.Now().Add(replicaLag); errors.Is(err, ErrNotFound) && time.Now().Before(end) && ctx.Err() == nil; {
			time.Sleep(replicaPause)
			data, err = c.getBlob(ctx, name, size)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %d bytes of %s: %w", c.where, c.Names.Blobs(), size, name, err)
	}
	return data, nil
}

func (c *Conn) getBlob(ctx context.Context, name string, size int64) ([]byte, error) {
	first, err := c.GetLast(ctx, c.Names.Blobs(), c.Names.Part(name, 0))
	part := int64(len(first.Data))
	switch {
	case err != nil:
		return nil, err
	case part == size:
		return first.Data, nil
	case part > size || part == 0:
		return nil, fmt.Errorf("the first part has %d bytes", part)
	}
	data := make([]byte, size) // each part is copied into a place of its own
	copy(data, first.Data)
	err = windowed(ctx, int((size-1)/part), func(i int, done func(error)) {
		place := data[int64(i+1)*part : min(size, int64(i+2)*part)]
		c.Last(c.Names.Blobs(), c.Names.Part(name, i+1), func(s Stored, err error) {
			if err == nil && len(s.Data) != len(place) {
				err = fmt.Errorf("part %d has %d bytes, want %d", i+1, len(s.Data), len(place))
			}
			copy(place, s.Data)
			done(err)
		})
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// RemoveBlob removes what was stored with a name, and has done called once with the
// number of parts, or with an error of Call. It returns at once.
func (c *Conn) RemoveBlob(name string, done func(parts uint64, err error)) {
	c.Purge(c.Names.Blobs(), strings.TrimSuffix(c.Names.Part(name, 0), "0")+">", done)
}

// windowed begins n things, some of them at the same time, until one fails. It returns
// the first error when all that were begun are done, or the context's at once.
func windowed(ctx context.Context, n int, begin func(i int, done func(error))) error {
	var first atomic.Pointer[error]
	places := make(chan struct{}, blobWindow) // holds one for each thing that is not done
	take := func() error {
		select {
		case places <- struct{}{}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := 0; i < n && first.Load() == nil; i++ {
		if err := take(); err != nil {
			return err
		}
		begin(i, func(err error) {
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
			<-places
		})
	}
	for range blobWindow { // when all places can be taken all are done
		if err := take(); err != nil {
			return err
		}
	}
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}
