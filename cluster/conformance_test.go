package cluster_test

import (
	"io"
	"log/slog"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/executortest"
)

// TestConformance runs the suite on a pool with a server and workers of its own.
func TestConformance(t *testing.T) {
	executortest.Run(t, executortest.Config{
		New: func(t testing.TB, o executortest.Options) futures.Executor {
			return open(t, cluster.Options{Workers: o.Workers, Queue: o.Queue, RejectWhenFull: o.RejectWhenFull})
		},
		Rejects:    true,
		Priorities: true,
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
