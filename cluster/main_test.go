package cluster

import (
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// roles are what this binary plays for tests, by the environment variable
// CLUSTER_TEST_ROLE.
var roles = map[string]func(){}

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	if role := roles[os.Getenv("CLUSTER_TEST_ROLE")]; role != nil {
		role()
		os.Exit(0)
	}
	leakcheck.Main(m)
}
