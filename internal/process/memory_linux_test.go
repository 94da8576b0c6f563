package process

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// P7: a child over its limit is killed, and the sample is there.
func TestMemoryLimit(t *testing.T) {
	const limit = 128 << 20
	spec := as("grow")
	spec.MemoryLimit = limit
	p := launch(t, spec)
	modest := as("block")
	modest.MemoryLimit = limit
	other, _ := launchReady(t, modest)
	exit := p.Exit()
	if !exit.OOM || exit.OOMSample <= limit || exit.Signal != syscall.SIGKILL {
		t.Errorf("%+v: %s", exit, p.StderrTail())
	}
	other.Kill()
	if exit := other.Exit(); exit.OOM || exit.OOMSample != 0 {
		t.Errorf("below its limit, and then killed: %+v", exit)
	}
	dog.mu.Lock()
	defer dog.mu.Unlock()
	if len(dog.watched) != 0 {
		t.Errorf("%d processes still watched", len(dog.watched))
	}
}

func TestDataLimit(t *testing.T) {
	for range 10 {
		p := launch(t, as("data-limit"))
		exit := p.Exit()
		if strings.HasPrefix(exit.Fatal, "SIGSEGV") && bytes.Contains(p.StderrTail(), []byte("runtime.gcBgMarkWorker")) {
			continue // see LimitData
		}
		if !exit.OOM || exit.OOMSample != 0 || exit.Signal != 0 {
			t.Errorf("%+v: %s", exit, p.StderrTail())
		}
		return
	}
	t.Error("ten times it did not say that it has no memory")
}

func TestRSS(t *testing.T) {
	const private, shared = 32 << 20, 256 << 20
	p, _ := launchReady(t, as("memory", fmt.Sprint(private), fmt.Sprint(shared)))
	rss, err := p.RSS()
	if err != nil || rss < private || rss >= shared {
		t.Errorf("%d bytes, %v; has %d of its own and %d shared", rss, err, private, shared)
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = p.RSS() }); n != 0 {
		t.Errorf("%v allocations per sample", n)
	}
}

func TestNumber(t *testing.T) {
	for _, test := range []struct {
		in   string
		n    int64
		rest string
	}{{"12 34 5\n", 12, "34 5\n"}, {"7", 7, ""}, {"", 0, ""}, {"x", 0, ""}} {
		if n, rest := number([]byte(test.in)); n != test.n || string(rest) != test.rest {
			t.Errorf("%q: %d, %q", test.in, n, rest)
		}
	}
}
