package cluster

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// roles are what this binary plays for tests, by the environment variable
// CLUSTER_TEST_ROLE.
var roles = map[string]func(){}

// TestMain plays a role or runs the tests. Those that mostly wait, for processes, leases and elections,
// are parallel; those that count goroutines, memory or allocations of this process are not.
func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	if role := roles[os.Getenv("CLUSTER_TEST_ROLE")]; role != nil {
		role()
		os.Exit(0)
	}
	leakcheck.Main(m, letGo)
}

// letGo waits for what a server leaves that ended while it was being connected with the other nodes:
// a goroutine that waits for an answer which cannot come, for half a minute, and what that has in
// memory. It is the server's, and harms nobody but a count.
func letGo() {
	buf := make([]byte, 1<<20)
	for deadline := time.Now().Add(40 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if !bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("nats-server")) {
			break
		}
	}
	runtime.GC() // closes connections that nobody has
}
