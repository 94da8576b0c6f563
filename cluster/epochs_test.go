package cluster

import (
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// TestFirstResultsAreRemovedTogether: the results of a function that nobody has run before are
// removed with few requests.
func TestFirstResultsAreRemovedTogether(t *testing.T) {
	const count = 200
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	var purges atomic.Int64
	audit := connectTo(t, Connection{Server: s}, stream.Client)
	_, err := audit.Subscribe("$JS.API.STREAM.PURGE."+p.conn.Names.Results(), func(*nats.Msg) { purges.Add(1) })
	if err == nil {
		err = audit.Fence(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
	var fs []*futures.Future[int]
	for i := range count {
		fs = append(fs, ran.Submit(ctx, p, i))
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	work(t, s)
	for _, f := range fs {
		if _, err := f.Result(ctx); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "no result is left", func() bool { return stored(t, p, p.conn.Names.Results()) == 0 })
	if n, most := purges.Load(), int64(count/epochChunks[epochUnknown]+2); n == 0 || n > most {
		t.Errorf("%d requests, at most %d", n, most)
	}
}
