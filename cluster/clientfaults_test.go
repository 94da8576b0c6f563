package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// The tasks of the client that is killed: in the queue that has a worker, and in one that has
// none.
var (
	clientTasks = []string{"done", "running", "then-lost", "delayed", "failing"}
	queuedTasks = []string{"queued", "queued-high"}
)

// playClient submits tasks, says their ids, and waits to be killed.
func playClient(ctx context.Context, p part) error {
	for _, queue := range []string{"", "idle"} {
		pool, err := Connect(ctx, Options{Connection: p.connection(), QueueName: queue, Logger: quiet})
		if err != nil {
			return err
		}
		names := clientTasks
		if queue != "" {
			names = queuedTasks
		}
		for _, name := range names {
			var options []futures.Option
			switch name {
			case "queued-high":
				options = append(options, futures.Priority(1))
			case "delayed":
				options = append(options, futures.Delay(3*time.Second))
			case "then-lost":
				options = append(options, futures.Retry(futures.RetryPolicy{}))
			}
			id, err := pool.ID(ctx, meet.Submit(ctx, pool, venue{p.Meeting, name}, options...))
			if err != nil {
				return err
			}
			fmt.Println(name, id)
		}
	}
	fmt.Println("all")
	<-ctx.Done()
	return nil
}

// TestClientKilled: the ids that a client has asked for give its tasks back in another program,
// wherever they are by then.
func TestClientKilled(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	s, m := served(t, ServerOptions{}), newMeeting(t)
	worker := part{URL: s.URL(), Workers: 8, Lease: shortLease}
	loser := play(t, "faults.worker", worker)
	dying := play(t, "faults.client", part{URL: s.URL(), Meeting: m.listener.Addr().String()})
	ids := make(map[string]string)
	for line := dying.line(); line != "all"; line = dying.line() {
		name, id, _ := strings.Cut(line, " ")
		ids[name] = id
	}
	done, running, failing := m.await("done"), m.await("running"), m.await("failing")
	m.await("then-lost")
	done.leave("done")
	<-done.gone
	if err := failing.conn.Close(); err != nil { // the task's error is EOF
		t.Error(err)
	}
	dying.kill()

	p := client(t, on(s))
	idle := on(s)
	idle.QueueName = "idle"
	ofIdle := client(t, idle)
	attach := func(name string) *futures.Future[string] {
		t.Helper()
		pool := p
		if strings.HasPrefix(name, "queued") {
			pool = ofIdle
		}
		f, err := Attach[string](ctx, pool, ids[name])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return f
	}
	want := func(name, value string, f *futures.Future[string]) {
		t.Helper()
		if v, err := f.Result(ctx); v != value || err != nil {
			t.Errorf("%s: %q, %v", name, v, err)
		}
	}
	want("done", "done", attach("done"))
	want("done", "done", attach("done")) // it is kept
	if _, err := attach("failing").Result(ctx); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("failing: %v", err)
	}
	delayed := attach("delayed")
	queued, high := attach("queued"), attach("queued-high")
	if f := attach("running"); f.State() == futures.Succeeded {
		t.Errorf("running: %v", f)
	} else {
		running.leave("ran")
		want("running", "ran", f)
	}
	thenLost := attach("then-lost")

	m.await("delayed").leave("later")
	want("delayed", "later", delayed)

	play(t, "faults.worker", part{URL: s.URL(), Queue: "idle", Workers: 1, Lease: shortLease})
	m.await("queued-high").leave("first")
	m.await("queued").leave("second")
	want("queued-high", "first", high)
	want("queued", "second", queued)

	loser.kill()
	play(t, "faults.worker", worker)
	_, err := thenLost.Result(ctx)
	lost(t, "then-lost", err, 1)
	for name := range ids {
		if n := m.again(name); n != 0 {
			t.Errorf("%s has run %d times too many", name, n)
		}
	}
	unknown := ids["done"][:len(ids["done"])-1] + "9"
	for _, id := range []string{unknown, "nobody" + ids["done"]} {
		if _, err := Attach[string](ctx, p, id); !errors.Is(err, ErrUnknownTask) || !strings.Contains(err.Error(), id) {
			t.Errorf("unknown: %v", err)
		}
	}
}

// TestResultExpires: an id is unknown once the time has passed for which results are kept.
func TestResultExpires(t *testing.T) {
	t.Parallel()
	ctx := patient(t)
	s := newServer(t, ServerOptions{})
	o := on(s)
	o.ResultTTL = time.Second
	p := client(t, o)
	f := twice.Submit(ctx, p, 4)
	id, err := p.ID(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	work(t, s)
	if v, err := f.Result(ctx); v != 8 || err != nil {
		t.Fatalf("%v, %v", v, err)
	}
	attached, err := Attach[int](ctx, p, id)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := attached.Result(ctx); v != 8 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	waitFor(t, "the result's end", func() bool { return stored(t, p, p.conn.Names.Results()) == 0 })
	if _, err := Attach[int](ctx, p, id); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("expired: %v", err)
	}
}
