package cluster

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) {
	serve()
	leakcheck.Main(m)
}

// local is a system that runs tasks in this process, or does not.
type local struct {
	answer func(b []byte) ([]byte, error)
}

func (l local) submit(_ context.Context, _ string, b []byte) (future, error) {
	r := new(replies).add(1)
	r.value, r.err = l.answer(b)
	close(r.done)
	return r, nil
}

func (l local) flush(context.Context) error { return nil }
func (l local) close() error                { return nil }

func (l local) addWorker(int) (*os.Process, error) { return os.FindProcess(os.Getpid()) }

// TestWrongWork: a system that returns something else, or an error, fails at every
// question.
func TestWrongWork(t *testing.T) {
	lost := errors.New("lost its nerve")
	for name, l := range map[string]local{
		"returns less": {func(b []byte) ([]byte, error) { return b[:len(b)-1], nil }},
		"mixes up":     {func(b []byte) ([]byte, error) { return append([]byte{b[0] + 1}, b[1:]...), nil }},
		"fails":        {func(b []byte) ([]byte, error) { return b, lost }},
	} {
		// The first tasks are right, so that what fails is what is measured.
		for _, right := range []int64{0, 2} {
			a := adapter{open: func(context.Context, site) (client, error) {
				var calls atomic.Int64
				return local{func(b []byte) ([]byte, error) {
					if calls.Add(1) <= right {
						return b, nil
					}
					return l.answer(b)
				}}, nil
			}}
			for question, run := range a.answers(harness.System{}).Answers {
				if question == recovery {
					continue // it waits for a process
				}
				p := harness.Params{InFlight: 2, Tasks: 100, Payload: small, Time: time.Millisecond, Quick: true}
				if values, err := run(t.Context(), p); err == nil {
					t.Errorf("%s, after %d that were right, of a system that %s: measured %v", question, right, name, values)
				}
			}
		}
	}
}

// TestQuestions: every system answers or declines every question.
func TestQuestions(t *testing.T) {
	g := Group()
	for _, s := range g.Systems {
		for _, q := range g.Questions {
			if s.Answers[q.Name] == nil && s.Declines[q.Name] == "" {
				t.Errorf("%s neither answers nor declines %s", s.Name, q.Name)
			}
		}
	}
}

// TestGroups: what a group holds comes out of it, and of what is cut off nothing does.
func TestGroups(t *testing.T) {
	items := [][]byte{{}, {1}, bytes.Repeat([]byte{2}, 1000)}
	g := newGroup(1 << 40)
	ends := map[int]bool{len(g): true} // where less is a group, too
	for _, b := range items {
		g = g.with(b)
		ends[len(g)] = true
	}
	first, got, err := g.items()
	if first != 1<<40 || len(got) != len(items) || err != nil {
		t.Fatalf("%d items from %d on, %v", len(got), first, err)
	}
	for i, b := range items {
		if !bytes.Equal(got[i], b) {
			t.Errorf("item %d became %v", i, got[i])
		}
	}
	for n := range g {
		if _, _, err := g[:n].items(); (err == nil) != ends[n] {
			t.Errorf("the first %d bytes of %d: %v", n, len(g), err)
		}
	}
}

// TestReplies: a result comes to who waits for it, once, and an error to all the rest.
func TestReplies(t *testing.T) {
	var rs replies
	one, two := rs.add(1), rs.add(2)
	rs.resolve(1, []byte("first"), nil)
	rs.resolve(1, []byte("again"), nil)
	rs.resolve(3, nil, nil) // nobody's
	lost := errors.New("lost")
	rs.fail(lost)
	if b, err := one.Result(t.Context()); string(b) != "first" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := two.Result(t.Context()); !errors.Is(err, lost) {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := rs.add(4).Result(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestStart: a process in a role says when it is ready, ends when it is told to, and one
// that cannot begin is an error.
func TestStart(t *testing.T) {
	a, err := start("nats", orders{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.url, "nats://127.0.0.1:") {
		t.Errorf("it listens at %q", a.url)
	}
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if _, err := start("nosuch", orders{}); err == nil || !strings.Contains(err.Error(), "nosuch is not ready") {
		t.Errorf("got %v", err)
	}
}

// TestFindRedis: which redis-server will do.
func TestFindRedis(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("commands are shell scripts here")
	}
	for says, want := range map[string]string{
		"":                                      "no redis-server",
		"Redis server v=7.0.15 sha=00000000:0":  "",
		"Redis server v=8.2.1 sha=00000000:0":   "",
		"Redis server v=6.2.16 sha=00000000:0":  "redis-server is 6.2.16, older than 7",
		"Valkey server v=8.1.1 sha=00000000:0":  "of unknown version: Valkey",
		"Redis server v=x.y sha=00000000:0 m=1": "older than 7",
	} {
		bin := t.TempDir()
		if says != "" {
			script := "#!/bin/sh\necho '" + says + "'\n"
			if err := os.WriteFile(filepath.Join(bin, "redis-server"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", bin)
		_, err := findRedis(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", says, err, want)
		}
	}
}
