package procpool_test

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// roles are what this binary plays for tests, by the environment variable
// PROCPOOL_TEST_ROLE.
var roles = map[string]func(){}

func TestMain(m *testing.M) {
	if os.Getenv("PROCPOOL_TEST_ROLE") == "without the guard line" {
		_, err := procpool.New(procpool.Options{})
		fmt.Println(err)
		os.Exit(0)
	}
	procpool.ServeIfWorker()
	if role := roles[os.Getenv("PROCPOOL_TEST_ROLE")]; role != nil {
		role()
	}
	leakcheck.Main(m)
}

// TestGuardLine: a program that forgets ServeIfWorker is told so at once.
func TestGuardLine(t *testing.T) {
	out := playRole(t, "without the guard line")
	if !strings.Contains(out, "ServeIfWorker") {
		t.Errorf("it says %q", out)
	}
}
