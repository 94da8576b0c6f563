package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/futures-go/futures"
)

// lost checks that the error says that a worker was lost with a task.
func lost(t *testing.T, what string, err error, attempt int) {
	t.Helper()
	crash, ok := errors.AsType[*futures.CrashError](err)
	if !ok || crash.PID != 0 || crash.Attempt != attempt || !strings.Contains(err.Error(), "was lost") {
		t.Errorf("%s: %v (%T)", what, err, err)
	}
}

// lettersOf returns the dead letters of a pool's namespace.
func lettersOf(t *testing.T, p *Pool) (all []DeadLetter) {
	t.Helper()
	for letter, err := range deadLetters(t.Context(), p.conn) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, letter)
	}
	return all
}

// served returns a server in this process that others reach by TCP.
func served(t *testing.T, o ServerOptions) *Server {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	return newServer(t, o)
}

// TestWorkerKilled: of what a worker had that is killed, all resolves: what may lose a worker
// runs elsewhere, and what may not fails and says that its worker was lost (CL2, CL3).
func TestWorkerKilled(t *testing.T) {
	t.Parallel()
	for _, processes := range []bool{false, true} {
		t.Run(fmt.Sprintf("processes=%t", processes), func(t *testing.T) {
			ctx := patient(t)
			s, m := served(t, ServerOptions{}), newMeeting(t)
			p := client(t, on(s))
			worker := part{URL: s.URL(), Workers: 8, Lease: shortLease, Processes: processes}
			first := play(t, "faults.worker", worker)

			never := meet.Submit(ctx, p, m.at("never"), futures.Retry(futures.RetryPolicy{}))
			often := meet.Submit(ctx, p, m.at("often"), futures.Retry(futures.RetryPolicy{Max: 2}))
			once := meet.Submit(ctx, p, m.at("once"))
			var held []*visit
			for _, name := range []string{"never", "often", "once"} {
				held = append(held, m.await(name))
			}
			file := newNotes(t)
			var finished []*futures.Future[int]
			for n := range 20 {
				finished = append(finished, note.Submit(ctx, p, noting{file, n, 0}))
			}
			for n, f := range finished {
				if v, err := f.Result(ctx); v != noted(n) || err != nil {
					t.Errorf("%d: %v, %v", n, v, err)
				}
			}
			names := p.conn.Names
			waitFor(t, "the ends to be acknowledged", func() bool { return stored(t, p, names.Tasks()) == uint64(len(held))+1 })
			first.kill()
			for _, v := range held { // also where a process of its own ran it
				<-v.gone
			}
			play(t, "faults.worker", worker)
			m.await("often").leave("second run")
			m.await("once").leave("second run")
			for what, f := range map[string]*futures.Future[string]{"often": often, "once": once} {
				if v, err := f.Result(ctx); v != "second run" || err != nil {
					t.Errorf("%s: %q, %v", what, v, err)
				}
			}
			_, err := never.Result(ctx)
			lost(t, "never again", err, 1)
			if n := m.again("never") + m.again("often") + m.again("once"); n != 0 {
				t.Errorf("%d more runs", n)
			}
			for n, r := range readNotes(t, file, len(finished)) {
				if r.begun != 1 || r.ended != 1 {
					t.Errorf("%d, which was done before, has begun %d times and ended %d times", n, r.begun, r.ended)
				}
			}
			letters := lettersOf(t, p)
			if len(letters) != 1 || letters[0].Function != meet.Name() || len(letters[0].History) != 1 {
				t.Errorf("dead letters: %+v", letters)
			}
		})
	}
}

// TestTwoWorkersKilled: a task without a policy may lose one worker. With the second it
// fails, and is a dead letter that can be queued again (CL2, CL3).
func TestTwoWorkersKilled(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	s, m := served(t, ServerOptions{}), newMeeting(t)
	p := client(t, on(s))
	worker := part{URL: s.URL(), Workers: 1, Lease: shortLease}
	f := meet.Submit(ctx, p, m.at("poison"))
	id, err := p.ID(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		w := play(t, "faults.worker", worker)
		v := m.await("poison")
		if v.pid != w.pid() {
			t.Errorf("process %d runs it, not %d", v.pid, w.pid())
		}
		w.kill()
	}
	play(t, "faults.worker", worker)
	_, err = f.Result(ctx)
	lost(t, "after two losses", err, 2)
	letters := lettersOf(t, p)
	if len(letters) != 1 || letters[0].ID != id || len(letters[0].History) != 2 || !strings.Contains(letters[0].Reason, "lost") {
		t.Fatalf("dead letters: %+v", letters)
	}
	again, err := redrive(ctx, p.conn, letters[0])
	if err != nil {
		t.Fatal(err)
	}
	redriven, err := Attach[string](ctx, p, again)
	if err != nil {
		t.Fatal(err)
	}
	m.await("poison").leave("at last")
	if v, err := redriven.Result(ctx); v != "at last" || err != nil {
		t.Errorf("redriven: %q, %v", v, err)
	}
	if n := len(lettersOf(t, p)); n != 0 {
		t.Errorf("%d dead letters are left", n)
	}
}
