package shm_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/internal/shm"
)

// The test binary plays the other process: with roleEnv set it runs one of roles
// instead of tests. A peer finds the region's descriptor at peerFD and ends when
// its standard input does, so it cannot outlive the test.
const (
	roleEnv = "FUTURES_SHM_TEST_ROLE"
	peerFD  = 3
)

var roles = map[string]func() error{
	"write":      roleWrite,
	"vandal":     roleVandal,
	"fault":      roleFault,
	"count":      roleCount,
	"race":       roleRace,
	"norace":     roleNoRace,
	"norace-two": roleNoRaceTwo,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := roles[role](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leakcheck.Main(m)
}

// command returns this program in another role.
func command(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	if roles[role] == nil {
		t.Fatalf("no role %q", role)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	// Under -race, a program sleeps for a second at its end unless told otherwise.
	cmd.Env = append(os.Environ(), roleEnv+"="+role, "GORACE=atexit_sleep_ms=0 exitcode=66")
	return cmd
}

// share makes cmd hold the region's descriptor.
func share(t *testing.T, cmd *exec.Cmd, r *shm.Region) {
	t.Helper()
	file, err := r.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)
}

// awaitEnd blocks a peer until its parent closes its standard input or is gone.
func awaitEnd() { _, _ = io.Copy(io.Discard, os.Stdin) }

func create(t *testing.T, size int) *shm.Region {
	t.Helper()
	r, err := shm.Create(t.Name(), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, r) })
	return r
}

func closeOK(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// mustPanic calls f, which must panic with a text that contains want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), want) {
			t.Errorf("panic %v, want one with %q", v, want)
		}
	}()
	f()
}
