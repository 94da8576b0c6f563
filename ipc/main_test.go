package ipc_test

import (
	"runtime"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	// A closed object is let go of when the collector finds that nobody uses it.
	leakcheck.Main(m, runtime.GC)
}
