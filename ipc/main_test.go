package ipc_test

import (
	"log/slog"
	"runtime"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	playRole()
	// A closed object is let go of when the collector finds that nobody uses it.
	leakcheck.Main(m, runtime.GC)
}

// discard is for the stderr of workers that are killed.
func discard(int, []byte) {}

var quiet = slog.New(slog.DiscardHandler)
