package process

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

// The test binary plays its own children: with roleEnv set it runs one of roles
// instead of tests.
const roleEnv = "FUTURES_PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	maps.Copy(roles, systemRoles)
	if name := os.Getenv(roleEnv); name != "" {
		play(name)
	}
	leakcheck.Main(m)
}

// play runs a role, which gets os.Args[1:], and exits with 0 when it returns. All but
// "raw-..." are hardened first.
func play(name string) {
	if !strings.HasPrefix(name, "raw-") {
		if _, err := HardenChild(); err != nil {
			fail(err)
		}
	}
	role, ok := roles[name]
	if !ok {
		fail(fmt.Errorf("no role %q", name))
	}
	role(os.Args[1:])
	os.Exit(0)
}

// fail ends a role.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "role", os.Getenv(roleEnv), "failed:", err)
		os.Exit(99)
	}
}

// as returns what starts a role.
func as(role string, args ...string) Spec {
	return Spec{Args: args, Env: append(os.Environ(),
		roleEnv+"="+role,
		"GORACE=atexit_sleep_ms=0", // or the race detector sleeps for a second
	)}
}

// launch starts a child and makes sure that it does not outlive the test.
func launch(t testing.TB, spec Spec) *Process {
	t.Helper()
	p, err := Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		<-p.Done()
		if t.Failed() {
			t.Logf("process %d: %v, stderr:\n%s", p.PID(), p.Exit(), p.StderrTail())
		}
	})
	return p
}

// lines is a sink whose lines can be waited for.
type lines struct {
	mu   sync.Mutex
	all  []string
	more chan struct{} // closed and replaced with each line
}

func newLines() *lines { return &lines{more: make(chan struct{})} }

func (l *lines) sink(_ int, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(line))
	close(l.more)
	l.more = make(chan struct{})
}

// get returns all lines so far, and a channel that is closed with the next one.
func (l *lines) get() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all, l.more
}

// await returns line number i of p, waiting for it.
func (l *lines) await(t testing.TB, p *Process, i int) string {
	t.Helper()
	for {
		all, more := l.get()
		if i < len(all) {
			return all[i]
		}
		select {
		case <-more:
		case <-p.Done():
			if all, _ := l.get(); i < len(all) {
				return all[i]
			}
			t.Fatalf("no line %d; %v, lines %q, stderr:\n%s", i, p.Exit(), all, p.StderrTail())
		}
	}
}

// launchReady starts a child that says something once it is ready, and returns that.
func launchReady(t testing.TB, spec Spec) (*Process, string) {
	t.Helper()
	l := newLines()
	spec.Stdout = l.sink
	p := launch(t, spec)
	return p, l.await(t, p, 0)
}

func TestEveryRoleIsPlayed(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	var source strings.Builder
	for _, file := range files {
		text, err := fs.ReadFile(os.DirFS("."), file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	for role := range roles {
		quoted := strings.Count(source.String(), `"`+role+`"`)
		if quoted < 2 && !strings.Contains(source.String(), `"=`+role+`"`) {
			t.Errorf("role %q is in the table and nowhere else", role)
		}
	}
}
