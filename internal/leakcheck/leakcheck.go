// Package leakcheck lets a package's tests fail when they leave something
// behind: goroutines, file descriptors, child processes, or names of shared
// memory.
//
//	func TestMain(m *testing.M) { leakcheck.Main(m) }
//
// What is left is compared with what was there before the first test. Whatever
// is on its way out gets a few seconds for it; what is still there then is
// printed, and the test binary fails.
//
// Descriptors, children and names are checked on Linux only.
package leakcheck

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long what is on its way out may take: a bound for failure, not
// a pause.
const patience = 5 * time.Second

// Main runs the tests of m and exits with their code, or with 1 if they have
// left something behind.
func Main(m *testing.M) {
	before := take()
	code := m.Run()
	if left := settle(func() []string { return take().beyond(before) }); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "leakcheck: the tests left behind:\n%s\n", strings.Join(left, "\n"))
		code = max(code, 1)
	}
	os.Exit(code)
}

// Goroutines runs fn and fails the test if there are more goroutines afterwards
// than before.
func Goroutines(t testing.TB, fn func()) {
	t.Helper()
	before := goroutines()
	fn()
	if left := settle(func() []string { return newGoroutines(before, goroutines()) }); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// settle asks what is left until nothing is, or patience has run out.
func settle(left func() []string) []string {
	deadline := time.Now().Add(patience)
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 100*time.Millisecond) {
		what := left()
		if len(what) == 0 || time.Now().After(deadline) {
			return what
		}
		runtime.Gosched()
		time.Sleep(wait)
	}
}

// snapshot is what exists at one moment, each thing with a description.
type snapshot struct {
	goroutines map[string]string // by number
	resources  map[string]string // descriptors, children and names, by what they are
}

func take() snapshot { return snapshot{goroutines(), resources()} }

// beyond lists what exists in s and did not before.
func (s snapshot) beyond(before snapshot) []string {
	left := newGoroutines(before.goroutines, s.goroutines)
	for id, what := range s.resources {
		if _, was := before.resources[id]; !was {
			left = append(left, what)
		}
	}
	return left
}

func newGoroutines(before, after map[string]string) []string {
	var left []string
	for id, stack := range after {
		if _, was := before[id]; !was {
			left = append(left, stack)
		}
	}
	return left
}

// goroutines returns the stacks of all goroutines but those that the tests are
// not to blame for.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for n := runtime.Stack(buf, true); ; n = runtime.Stack(buf, true) {
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := make(map[string]string)
	for _, stack := range strings.Split(string(buf), "\n\n") {
		header, _, _ := strings.Cut(stack, "[")
		if !ours(stack) {
			all[header] = stack
		}
	}
	return all
}

// ours reports whether a stack belongs to the runtime, to package testing or to
// os/signal, which keep goroutines once they have been used.
func ours(stack string) bool {
	for _, frame := range []string{
		"testing.Main(", "testing.(*M).", "testing.tRunner(", "testing.runTests", "testing.runFuzz",
		"testing.(*F).Fuzz", "leakcheck.goroutines(", "os/signal.signal_recv", "os/signal.loop",
		"runtime.goexit0", "runtime.gc", "runtime.bgsweep", "runtime.forcegchelper", "runtime.ensureSigM",
		"runtime/trace.Start", "runtime/pprof.profileWriter",
	} {
		if strings.Contains(stack, frame) {
			return true
		}
	}
	return false
}
