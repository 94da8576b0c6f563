package cluster_test

import (
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/executortest"
)

// TestConformance runs the suite on a pool with a server and workers of its own.
func TestConformance(t *testing.T) {
	t.Parallel()
	conformance(t, true, func(t testing.TB, o cluster.Options) *cluster.Pool { return open(t, o) })
}

// TestConformanceOverTCP runs the suite on pools that share a server, each with a queue and
// workers of its own.
func TestConformanceOverTCP(t *testing.T) {
	t.Parallel()
	s, err := cluster.StartServer(cluster.ServerOptions{Listen: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	pools := 0
	conformance(t, true, func(t testing.TB, o cluster.Options) *cluster.Pool {
		pools++
		o.URL, o.QueueName = s.URL(), fmt.Sprintf("q%d", pools)
		o.Workers = max(1, o.Workers)
		return open(t, o)
	})
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"FX_default_TASKS", "FX_default_RESULTS", "FX_default_LATER", "FX_default_BLOBS", "FX_default_DEAD"} {
		stream, err := js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if state := stream.CachedInfo().State; state.Msgs > 0 { // CL6
			first, err := stream.GetMsg(t.Context(), state.FirstSeq)
			t.Errorf("%d messages are left in %s, the first one is %.200q, %v", state.Msgs, name, fmt.Sprint(first), err)
		}
	}
}

func conformance(t *testing.T, priorities bool, open func(testing.TB, cluster.Options) *cluster.Pool) {
	executortest.Run(t, executortest.Config{
		New: func(t testing.TB, o executortest.Options) futures.Executor {
			return open(t, cluster.Options{Workers: o.Workers, Queue: o.Queue, RejectWhenFull: o.RejectWhenFull})
		},
		Rejects:    true,
		Priorities: priorities,
		InLine:     cluster.InLine,
	})
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// open returns a pool that is closed when the test ends.
func open(t testing.TB, o cluster.Options) *cluster.Pool {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	p, err := cluster.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
