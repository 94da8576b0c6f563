package stream

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

func TestBlobs(t *testing.T) {
	n := startNode(t, func(o *server.Options) { o.MaxPayload = 16 << 10 })
	c := n.connect(t, nil)
	setup(t, c, Layout{})
	const part = 16<<10 - blobMargin
	for _, size := range []int{0, 1, part - 1, part, part + 1, 2 * part, (blobWindow+3)*part + 7} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i * i >> 7)
		}
		if err := c.PutBlob(t.Context(), "b", data); err != nil {
			t.Fatal(err)
		}
		got, err := c.GetBlob(t.Context(), "b", int64(size))
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes: %d came, %v", size, len(got), err)
		}
		if _, err := c.GetBlob(t.Context(), "b", int64(size)+1); err == nil {
			t.Errorf("%d bytes: found with one more", size)
		}
		parts, err := await(t, func(done func(uint64, error)) { c.RemoveBlob("b", done) })
		if want := uint64(max(1, (size+part-1)/part)); err != nil || parts != want {
			t.Errorf("%d bytes: %d parts removed, want %d, %v", size, parts, want, err)
		}
		if _, err := c.GetBlob(t.Context(), "b", int64(size)); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), c.Where()) {
			t.Errorf("%d bytes: removed: %v", size, err)
		}
	}
}

// TestBlobIncomplete has a part missing, and another one of the wrong length.
func TestBlobIncomplete(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	publish(t, p, c.Names.Part("b", 0), "", "0123456789")
	if _, err := c.GetBlob(t.Context(), "b", 15); !errors.Is(err, ErrNotFound) {
		t.Errorf("without the last part: %v", err)
	}
	publish(t, p, c.Names.Part("b", 1), "", "012")
	if _, err := c.GetBlob(t.Context(), "b", 15); err == nil || !strings.Contains(err.Error(), "part 1 has 3 bytes, want 5") {
		t.Errorf("a short part: %v", err)
	}
	if _, err := c.GetBlob(t.Context(), "b", 5); err == nil {
		t.Error("shorter than its first part")
	}
}

// TestBlobNoRoom leaves nothing of what could not be stored.
func TestBlobNoRoom(t *testing.T) {
	n := startNode(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	c := n.connect(t, nil)
	setup(t, c, Layout{})
	err := c.PutBlob(t.Context(), "b", make([]byte, 4<<20))
	if !IsStorage(err) || !strings.Contains(err.Error(), "4194304 bytes are not stored") {
		t.Errorf("%v", err)
	}
	until(t, "nothing is left", func() bool {
		s, err := c.JS.Stream(t.Context(), c.Names.Blobs())
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.PutBlob(ctx, "c", make([]byte, 64)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
