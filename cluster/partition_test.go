package cluster

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// TestPartition: a worker that its server cannot hear for longer than the lease runs a task
// that another worker runs too. Whoever is first, of the two results one is accepted and the
// same for everybody (CL1), and the worker goes on when it is heard again.
func TestPartition(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"cut off", "other"} {
		t.Run("first is "+first, func(t *testing.T) { partition(t, first) })
	}
}

func partition(t *testing.T, first string) {
	ctx := patient(t)
	s, m := served(t, ServerOptions{}), newMeeting(t)
	p := client(t, on(s))
	between := newProxy(t)
	between.to(s.URL()[len("nats://"):])
	cut := play(t, "faults.worker", part{URL: between.url(), Workers: 1, Lease: shortLease})

	f := meet.Submit(ctx, p, m.at("task"))
	text, err := p.ID(ctx, f) // so that the result is kept
	if err != nil {
		t.Fatal(err)
	}
	id, err := envelope.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	names := p.conn.Names
	subject := names.Result(id.Client, id.Epoch, id.Chunk, envelope.Whole)
	live := make(chan *nats.Msg, 10)
	if _, err := p.conn.Subscribe(subject, func(m *nats.Msg) { live <- m }); err != nil {
		t.Fatal(err)
	}
	if err := p.conn.Fence(ctx); err != nil {
		t.Fatal(err)
	}

	runs := map[string]*visit{"cut off": m.await("task")}
	between.stall(true)
	other := play(t, "faults.worker", part{URL: s.URL(), Workers: 1, Lease: shortLease})
	runs["other"] = m.await("task")
	if runs["cut off"].pid != cut.pid() || runs["other"].pid != other.pid() {
		t.Errorf("run by %d and %d, want %d and %d", runs["cut off"].pid, runs["other"].pid, cut.pid(), other.pid())
	}
	second := "other"
	if first == "other" {
		second = "cut off"
	}
	// What the worker says that is cut off arrives when that is over.
	runs[first].leave(first)
	<-runs[first].gone
	between.stall(false)
	if v, err := f.Result(ctx); v != first || err != nil {
		t.Errorf("the future: %q, %v", v, err)
	}
	runs[second].leave(second)
	<-runs[second].gone

	// Both results were published, and one was stored.
	for range 2 {
		select {
		case <-live:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
	}
	waitFor(t, "the task's message to go", func() bool { return stored(t, p, names.Tasks()) == 1 })
	results, err := p.conn.JS.Stream(ctx, names.Results())
	if err != nil {
		t.Fatal(err)
	}
	if state := results.CachedInfo().State; state.LastSeq != 1 || state.Msgs != 1 {
		t.Errorf("%d results have been stored, %d are", state.LastSeq, state.Msgs)
	}
	kept, err := Attach[string](ctx, client(t, on(s)), text)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := kept.Result(ctx); v != first || err != nil {
		t.Errorf("what is stored: %q, %v", v, err)
	}
	if v, err := f.Result(ctx); v != first || err != nil {
		t.Errorf("the future, later: %q, %v", v, err)
	}

	// Both workers go on.
	other.stop()
	for n := range 3 {
		name := fmt.Sprint("after", n)
		f := meet.Submit(ctx, p, m.at(name))
		v := m.await(name)
		if v.pid != cut.pid() {
			t.Errorf("process %d runs it, want %d", v.pid, cut.pid())
		}
		v.leave(name)
		if v, err := f.Result(ctx); v != name || err != nil {
			t.Errorf("afterwards: %q, %v", v, err)
		}
	}
	if n := m.again("task"); n != 0 {
		t.Errorf("%d more runs", n)
	}
	waitFor(t, "all but the sentinels of two clients to go", func() bool { return stored(t, p, names.Tasks()) == 2 })
	cut.stop()
}
