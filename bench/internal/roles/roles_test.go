package roles

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

const variable = "FUTURES_BENCH_ROLES_TEST"

func TestMain(m *testing.M) {
	Serve(variable, map[string]func() error{
		"good": func() error { _, err := os.Stdout.WriteString("played"); return err },
		"bad":  func() error { return errors.New("it went wrong") },
	})
	leakcheck.Main(m)
}

// TestRoles starts this test again in each role, and in one that there is not.
func TestRoles(t *testing.T) {
	for role, want := range map[string]struct{ out, complaint string }{
		"good":  {out: "played"},
		"bad":   {complaint: "bad: it went wrong"},
		"other": {complaint: "other: there is no such role"},
	} {
		cmd, err := Command(variable, role)
		if err != nil {
			t.Fatal(err)
		}
		var complaint strings.Builder
		cmd.Stderr = &complaint
		out, err := cmd.Output()
		exit, failed := errors.AsType[*exec.ExitError](err)
		if string(out) != want.out || strings.TrimSpace(complaint.String()) != want.complaint || failed != (want.complaint != "") || failed && exit.ExitCode() != 1 {
			t.Errorf("%s: %q, %q, %v", role, out, complaint.String(), err)
		}
	}
}
