package procpool_test

import (
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/executortest"
	"github.com/futures-go/futures/procpool"
)

// TestConformance runs the suite on both transports.
func TestConformance(t *testing.T) {
	for _, isolated := range []bool{false, true} {
		t.Run(map[bool]string{false: "shared", true: "isolated"}[isolated], func(t *testing.T) {
			executortest.Run(t, executortest.Config{
				New: func(t testing.TB, o executortest.Options) futures.Executor {
					return open(t, procpool.Options{
						Workers: o.Workers, Queue: o.Queue, RejectWhenFull: o.RejectWhenFull,
						Isolated: isolated, KillGrace: 500 * time.Millisecond,
					})
				},
				Rejects:    true,
				Priorities: true,
			})
		})
	}
}

// open returns a pool that is closed when the test ends.
func open(t testing.TB, o procpool.Options) *procpool.Pool {
	t.Helper()
	p, err := procpool.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}
