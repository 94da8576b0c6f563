// Package leakcheck lets a package's tests fail when they leave something
// behind: goroutines, file descriptors, child processes, or names of shared
// memory.
//
//	func TestMain(m *testing.M) { leakcheck.Main(m) }
//
// What exists after the tests is compared with what existed before them. Whatever
// is on its way out gets a few seconds for it; what is still there then is
// printed, and the test binary fails.
//
// Goroutines that outlive their use by design do not count; kept lists them.
// Descriptors, children and names are looked at on Linux only. The names are those
// of the whole machine, so a name that another process makes and keeps for longer
// than the wait is reported too.
package leakcheck

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience bounds the wait for what is on its way out. It is not a pause: the
// verdict comes as soon as nothing is left.
var patience = 5 * time.Second

// shown is how many of the things left behind are printed.
const shown = 20

// kept lists the goroutines that are nobody's leak, by the function that created
// them.
var kept = []struct{ creator, reason string }{
	{"runtime.", "the runtime's own, in stacks when GOTRACEBACK=system"},
	{"os/signal.", "Notify starts one that delivers signals for good"},
	{"testing.", "a test, beside the one that calls Goroutines"},
}

// Main runs the tests of m and exits with their code, or with 1 if they passed
// and have left something behind. Between the two settle is called, if it is given: it lets
// go of what the package under test keeps by design.
func Main(m *testing.M, settle ...func()) {
	warmUp()
	before := everything()
	code := m.Run()
	for _, s := range settle {
		s()
	}
	if report := leaked(before, everything); report != "" {
		fmt.Fprintf(os.Stderr, "leakcheck: the tests left behind:\n\n%s\n", report)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Goroutines calls fn and reports an error to t if goroutines that did not exist
// before are left after it. The goroutines of code that runs meanwhile count too,
// so the test that calls it must not be parallel.
func Goroutines(t testing.TB, fn func()) {
	t.Helper()
	before := goroutines()
	fn()
	if report := leaked(before, goroutines); report != "" {
		t.Errorf("left behind:\n\n%s", report)
	}
}

// An inventory is what exists at one moment: descriptions by identities that tell
// one thing from the next of its kind.
type inventory map[string]string

func everything() inventory {
	all := goroutines()
	maps.Copy(all, resources())
	return all
}

// leaked describes what now has and before has not, once patience has run out. It
// returns the empty string as soon as there is nothing.
func leaked(before inventory, now func() inventory) string {
	deadline := time.Now().Add(patience)
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 100*time.Millisecond) {
		left := now()
		maps.DeleteFunc(left, func(id, _ string) bool { _, was := before[id]; return was })
		switch {
		case len(left) == 0:
			return ""
		case time.Now().After(deadline):
			lines := slices.Sorted(maps.Values(left))
			if more := len(lines) - shown; more > 0 {
				lines = append(lines[:shown], fmt.Sprintf("and %d more", more))
			}
			return strings.Join(lines, "\n\n")
		}
		time.Sleep(wait)
	}
}

// goroutines returns the stacks of all goroutines, without those that are kept.
func goroutines() inventory {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) { // cut off
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	all := make(inventory)
	for stack := range strings.SplitSeq(string(buf[:n]), "\n\n") {
		if !isKept(stack) {
			id, _, _ := strings.Cut(stack, " [") // goroutine 7 [select]:
			all[id] = strings.TrimSpace(stack)
		}
	}
	return all
}

func isKept(stack string) bool {
	_, creator, _ := strings.Cut(stack, "\ncreated by ")
	for _, k := range kept {
		if strings.HasPrefix(creator, k.creator) {
			return true
		}
	}
	return false
}
