package stream

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestSetupTogether(t *testing.T) {
	n := startNode(t, nil)
	var running sync.WaitGroup
	for range 8 {
		c := n.connect(t, nil)
		running.Go(func() {
			if err := c.Setup(t.Context(), Layout{MaxStored: 100, Queues: []string{"a", "b"}}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	c := n.connect(t, nil)
	s, err := c.JS.Stream(t.Context(), c.Names.Tasks())
	if err != nil {
		t.Fatal(err)
	}
	if consumers := s.CachedInfo().State.Consumers; consumers != 2*Levels {
		t.Errorf("%d consumers, want %d", consumers, 2*Levels)
	}
}

// TestSetupDiffers has each setting named that a user can choose and that is not as
// he says.
func TestSetupDiffers(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	first := Layout{MaxStored: 100, ResultTTL: time.Minute, Lease: time.Second, Queues: []string{"q"}}
	setup(t, c, first)
	setup(t, c, Layout{Queues: []string{"q"}}) // who says nothing takes what there is
	for name, l := range map[string]Layout{
		"stream FX_default_TASKS exists with other settings: MaxMsgs is 100, want 200":        {MaxStored: 200},
		"stream FX_default_RESULTS exists with other settings: MaxAge is 1m0s, want 2m0s":     {ResultTTL: 2 * time.Minute},
		"consumer q_0 of FX_default_TASKS exists with other settings: AckWait is 1s, want 2s": {Lease: 2 * time.Second, Queues: []string{"q"}},
		"stream FX_default_LATER exists with other settings: Replicas is 1, want 3":           {Replicas: 3},
	} {
		err := c.Setup(t.Context(), l)
		if d, is := errors.AsType[*DifferenceError](err); !is || !strings.HasSuffix(err.Error(), name) || d.Where != c.Where() {
			t.Errorf("%v, want %s", err, name)
		}
	}
	if err := c.Setup(t.Context(), Layout{Queues: []string{"a.b"}}); err == nil || !strings.Contains(err.Error(), `queue "a.b"`) {
		t.Errorf("a malformed queue: %v", err)
	}
}

// TestSetupForeign finds a stream of that name which is not ours.
func TestSetupForeign(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	if _, err := c.JS.CreateStream(t.Context(), jetstream.StreamConfig{Name: c.Names.Tasks(), Subjects: []string{"else"}}); err != nil {
		t.Fatal(err)
	}
	err := c.Setup(t.Context(), Layout{})
	if d, is := errors.AsType[*DifferenceError](err); !is || len(d.Differences) < 3 {
		t.Errorf("%v", err)
	}
}

// TestSetupConsumers has a worker wait for the first client.
func TestSetupConsumers(t *testing.T) {
	n := startNode(t, nil)
	c, worker := n.connect(t, nil), n.connect(t, func(c *Config) { c.Role = Worker })
	ctx, cancel := context.WithTimeout(t.Context(), 2*setupPause)
	defer cancel()
	if err := worker.SetupConsumers(ctx, 0, []string{"q"}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no client") {
		t.Errorf("without streams: %v", err)
	}
	outcome := make(chan error, 1)
	go func() { outcome <- worker.SetupConsumers(t.Context(), time.Second, []string{"q"}) }()
	if err := c.Setup(t.Context(), Layout{}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, outcome); err != nil {
		t.Fatal(err)
	}
	if lease, err := c.Lease(t.Context(), []string{"q"}); err != nil || lease != time.Second {
		t.Errorf("lease %v, %v", lease, err)
	}
}

func TestSetupImpossible(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	err := c.Setup(t.Context(), Layout{Replicas: 3})
	if err == nil || !strings.Contains(err.Error(), c.Where()) || !strings.Contains(err.Error(), "replicas") {
		t.Errorf("three replicas on one server: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Setup(ctx, Layout{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestSetupPatience: nodes that are not known yet, or away, are waited for, as those of a cluster that
// has just started, and other refusals are final.
func TestSetupPatience(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	for text, want := range map[string]int{
		"no suitable peers for placement":                   2,
		"no suitable peers for placement, peer offline":     2,
		"no suitable peers for placement, tags not matched": 1,
	} {
		calls := 0
		err := c.patiently(t.Context(), "it", func(context.Context) error {
			if calls++; calls == 2 {
				return nil
			}
			return &jetstream.APIError{ErrorCode: CodeInsufficientPeers, Description: text}
		})
		if calls != want || (err == nil) != (want == 2) {
			t.Errorf("%s: %d calls, %v", text, calls, err)
		}
	}
}

// TestDelayed has a scheduled message become a task when it is due and not before; when
// TASKS is full, once it is not; and not at all if its schedule is removed.
func TestDelayed(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{MaxStored: 1})
	p := newPublisher(t, c)
	q, messages := pull(t, c, nil)
	full := publish(t, p, c.Names.Task(Default, 0, "me", 99, -1), "", "x")

	due := time.Now().Add(600 * time.Millisecond)
	schedule := func(chunk uint64) {
		t.Helper()
		header := ScheduleHeader(due, c.Names.Due(Default, 1, "me", chunk))
		if _, err := await(t, func(done func(uint64, error)) {
			if err := p.Publish(c.Names.At("me", chunk), "", header, []byte("late"), done); err != nil {
				done(0, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	schedule(1)
	schedule(2)
	if n, err := await(t, func(done func(uint64, error)) { c.Purge(c.Names.Later(), c.Names.At("me", 2), done) }); err != nil || n != 1 {
		t.Fatalf("removed: %d, %v", n, err)
	}
	q.Request(2)
	until(t, "it is due", func() bool {
		_, err := c.GetLast(t.Context(), c.Names.Later(), c.Names.Due(Default, 1, "me", 1))
		return err == nil
	})
	if removed, err := await(t, func(done func(bool, error)) { c.Delete(c.Names.Tasks(), full, done) }); err != nil || !removed {
		t.Errorf("removed: %v, %v", removed, err)
	}
	m := receive(t, messages)
	if now := time.Now(); now.Before(due) {
		t.Errorf("it came %v too early", due.Sub(now))
	}
	if s, err := c.Names.ParseTask(m.Subject); err != nil || s != (TaskSubject{Default, 1, "me", 1, -1}) || string(m.Data) != "late" {
		t.Errorf("%+v, %v", m, err)
	}
	if err := m.AckSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "LATER is empty", func() bool {
		s, err := c.JS.Stream(t.Context(), c.Names.Later())
		return err == nil && s.CachedInfo().State.Msgs == 0
	})
	select {
	case m := <-messages:
		t.Errorf("what was removed came: %+v", m)
	default:
	}
}

// TestSentinel has a client's sentinel replaced by the next one.
func TestSentinel(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	var last uint64
	for range 3 {
		last = publish(t, p, c.Names.Keep("me"), "", "x")
	}
	s, err := c.JS.Stream(t.Context(), c.Names.Tasks())
	if err != nil {
		t.Fatal(err)
	}
	if state := s.CachedInfo().State; state.Msgs != 1 || state.FirstSeq != last {
		t.Errorf("%+v, want message %d only", state, last)
	}
}

func TestDeletePurgeGet(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	seq := publish(t, p, task(c, 1), "", "one")
	s, err := c.GetLast(t.Context(), c.Names.Tasks(), task(c, 1))
	if err != nil || s.Sequence != seq || string(s.Data) != "one" || s.Subject != task(c, 1) || time.Since(s.Time).Abs() > time.Hour {
		t.Errorf("%+v, %v", s, err)
	}
	for _, want := range []bool{true, false} {
		if removed, err := await(t, func(done func(bool, error)) { c.Delete(c.Names.Tasks(), seq, done) }); err != nil || removed != want {
			t.Errorf("Delete: %v, %v", removed, err)
		}
	}
	if _, err := c.GetLast(t.Context(), c.Names.Tasks(), task(c, 1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
	if _, err := c.GetLast(t.Context(), "FX_default_NONE", task(c, 1)); !errors.Is(err, ErrNoJetStream) {
		t.Errorf("no stream: %v", err)
	}
	for i := range 5 {
		publish(t, p, c.Names.Result("me", "e1", uint64(i), -1), "", "x")
	}
	publish(t, p, c.Names.Result("me", "e2", 1, -1), "", "x")
	if n, err := await(t, func(done func(uint64, error)) { c.Purge(c.Names.Results(), c.Names.ResultFilter("me", "e1"), done) }); err != nil || n != 5 {
		t.Errorf("Purge: %d, %v", n, err)
	}
	if _, err := await(t, func(done func(uint64, error)) { c.Purge("FX_default_NONE", ">", done) }); err == nil || !strings.Contains(err.Error(), "stream not found") {
		t.Errorf("no stream: %v", err)
	}
	if _, err := await(t, func(done func(bool, error)) { c.Delete("FX_default_NONE", 1, done) }); err == nil || !strings.Contains(err.Error(), "stream not found") {
		t.Errorf("no stream: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.GetLast(ctx, c.Names.Results(), "x"); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrNotFound) {
		t.Errorf("cancelled: %v", err)
	}
	if err := c.Fence(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Fence: %v", err)
	}
}

// TestSlow has the client told that it may have missed something.
func TestSlow(t *testing.T) {
	n := startNode(t, func(o *server.Options) { o.MaxPending = 1 << 20 })
	c := n.connect(t, nil)
	gap := make(chan struct{}, 10)
	c.OnGap(func() { gap <- struct{}{} })
	block := make(chan struct{})
	s, err := c.Subscribe("x", func(*nats.Msg) { <-block })
	if err != nil {
		t.Fatal(err)
	}
	defer close(block)
	if err := s.SetPendingLimits(2, -1); err != nil { // what Subscribe has lifted
		t.Fatal(err)
	}
	for range 10 {
		if err := c.NC.Publish("x", nil); err != nil {
			t.Fatal(err)
		}
	}
	receive(t, gap)
}
