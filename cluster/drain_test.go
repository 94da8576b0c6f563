package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/gopool"
)

// stubborn does not heed its context.
var stubborn = futures.Define("cluster_test.stubborn", func(_ context.Context, name string) (string, error) {
	one := gates.of(name)
	one.begun <- struct{}{}
	<-one.leave
	return name, nil
})

// TestDrain: a worker that ends finishes what runs, and what it has not begun goes to
// another one at once.
func TestDrain(t *testing.T) {
	s := newScript(t, 0)
	stop := s.serve(ServeOptions{Workers: 1})
	s.send(1, 1, call(0, gate, s.gate("drain")))
	<-gates.of(s.gate("drain")).begun
	s.send(2, 2, call(0, double, 1)) // there may be a request for it still: then it is held
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	s.serve(ServeOptions{Workers: 1})
	s.send(3, 1, call(0, double, 2))
	for chunk := range uint64(2) {
		if o, _ := s.outcome(chunk + 2); value[int](t, o) != 2*(int(chunk)+1) {
			t.Errorf("%d: %+v", chunk+2, o)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it has not waited: %v", err)
	default:
	}
	close(gates.of(s.gate("drain")).leave)
	if o, _ := s.outcome(1); value[string](t, o) != s.gate("drain") {
		t.Errorf("got %+v", o)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.empty()
}

// TestDrainTimeout: what does not end in time is cancelled and goes to another worker, with
// nobody lost; of a chunk what is done counts. What may run only once is not run again.
func TestDrainTimeout(t *testing.T) {
	s := newScript(t, 0)
	stop := s.serve(ServeOptions{Workers: 4, DrainTimeout: -1})
	once := call(0, gate, s.gate("drain timeout, once"))
	once.AtMost = 0
	s.send(1, 1, call(0, gate, s.gate("drain timeout")))
	s.send(2, 1, call(0, double, 1), call(1, gate, s.gate("drain timeout")))
	s.send(3, 1, once)
	for range 2 {
		<-gates.of(s.gate("drain timeout")).begun
	}
	<-gates.of(s.gate("drain timeout, once")).begun
	s.until("the outcome of the one that is done", func() bool { return len(s.partial) > 0 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if o, err := s.outcome(3); o.Kind != envelope.Lost {
		t.Errorf("kind %d, %v", o.Kind, err)
	}
	s.serve(ServeOptions{Workers: 4})
	for range 2 {
		<-gates.of(s.gate("drain timeout")).begun
	}
	close(gates.of(s.gate("drain timeout")).leave)
	if o, _ := s.outcome(1); value[string](t, o) != s.gate("drain timeout") {
		t.Errorf("got %+v", o)
	}
	if r := s.result(2, envelope.Whole); !r.Split {
		t.Errorf("the chunk's own result: %+v", r)
	}
	if value[int](t, s.result(2, 0).Items[0]) != 2 || value[string](t, s.result(2, 1).Items[0]) != s.gate("drain timeout") {
		t.Error("another value")
	}
	s.empty()
	if len(s.letters()) != 0 {
		t.Error("there are dead letters")
	}
}

// TestDrainOfCrowded: an executor that others have filled, and that lets who submits wait, does not
// keep a worker from ending.
func TestDrainOfCrowded(t *testing.T) {
	s := newScript(t, 0)
	crowded := gopool.New(gopool.Options{Workers: 1, Queue: 1, Logger: quiet})
	name := s.gate("crowded")
	for range 2 { // one runs, and one waits
		gate.Submit(t.Context(), crowded, name)
	}
	<-gates.of(name).begun
	given := make(chan struct{})
	stop := s.serve(ServeOptions{Executor: announcing{crowded, given}, DrainTimeout: -1})
	s.send(1, 1, call(0, double, 4))
	<-given // it waits for room now, or is about to
	if err := stop(); err != nil {
		t.Error(err)
	}
	s.serve(ServeOptions{Workers: 1})
	if o, _ := s.outcome(1); value[int](t, o) != 8 {
		t.Errorf("got %+v", o)
	}
	close(gates.of(name).leave)
	if err := crowded.Close(); err != nil {
		t.Error(err)
	}
	s.empty()
}

// announcing says when it is given its task.
type announcing struct {
	futures.Executor
	given chan struct{}
}

func (a announcing) Execute(ctx context.Context, t *futures.Task) error {
	close(a.given)
	return a.Executor.Execute(ctx, t)
}

// TestAbandon: Serve does not wait for ever for tasks that do not heed their context. They run
// elsewhere, and what they come to here does not count.
func TestAbandon(t *testing.T) {
	s := newScript(t, 0)
	w := s.worker(func(o *workerOptions) { o.Obey = 10 * time.Millisecond })
	s.send(1, 1, call(0, stubborn, s.gate("abandon")))
	<-gates.of(s.gate("abandon")).begun
	if err := w.drain(0); err == nil || !strings.Contains(err.Error(), "1 tasks go on") {
		t.Errorf("drain: %v", err)
	}
	s.serve(ServeOptions{Workers: 1})
	<-gates.of(s.gate("abandon")).begun
	close(gates.of(s.gate("abandon")).leave)
	if o, _ := s.outcome(1); value[string](t, o) != s.gate("abandon") {
		t.Errorf("got %+v", o)
	}
	s.empty()
}

// TestCancelNotices: a worker answers each cancel, and does not begin what it was told not to.
func TestCancelNotices(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 1})
	s.send(1, 1, call(0, gate, s.gate("cancel")))
	<-gates.of(s.gate("cancel")).begun
	s.begun(1, 0)
	s.send(2, 2, call(0, gate, s.gate("cancel"))) // held, as a request for it is there
	dropped := func(ref envelope.Ref) bool {
		return slices.ContainsFunc(s.notices, func(n envelope.Notice) bool { return slices.Contains(n.Dropped, ref) })
	}
	// The message may still be on its way: a cancel that comes before it is remembered.
	s.cancel(envelope.Ref{Chunk: 1, Index: 0}, envelope.Ref{Chunk: 2, Index: 0}, envelope.Ref{Chunk: 3, Index: envelope.Whole})
	if o, err := s.outcome(1); o.Kind != envelope.Cancelled || o.Attempts != 1 {
		t.Errorf("running: kind %d, %d attempts, %v", o.Kind, o.Attempts, err)
	}
	if o, err := s.outcome(2); o.Kind != envelope.Cancelled || o.Attempts != 0 {
		t.Errorf("queued: kind %d, %d attempts, %v", o.Kind, o.Attempts, err)
	}
	s.mu.Lock()
	if dropped(envelope.Ref{Chunk: 1, Index: 0}) {
		t.Error("what has begun is said to be dropped")
	}
	s.mu.Unlock()
	s.send(3, 1, call(0, gate, s.gate("cancel")), call(1, gate, s.gate("cancel")))
	for _, o := range s.result(3, envelope.Whole).Items {
		if o.Kind != envelope.Cancelled || o.Attempts != 0 {
			t.Errorf("after the cancel: %+v", o)
		}
	}
	if len(gates.of(s.gate("cancel")).begun) != 0 {
		t.Error("what was cancelled has begun")
	}
	s.empty()
}

// TestPriority: what is urgent comes first, and what is not comes last, in order.
func TestPriority(t *testing.T) {
	s := newScript(t, 0)
	w := s.worker(func(o *workerOptions) { o.Slots, o.Pool.Workers, o.Hold = 1, 1, time.Minute })
	defer func() {
		if err := w.drain(patience); err != nil {
			t.Error(err)
		}
	}()
	s.send(100, 1, call(0, gate, s.gate("priority")))
	<-gates.of(s.gate("priority")).begun
	for chunk, level := range []int{2, 1, 0, 1, 0, 2} {
		s.send(uint64(chunk), level, call(0, double, chunk))
	}
	// That a consumer has delivered it does not say that it has come.
	waitFor(t, "what is urgent to be held", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.held[0]) == 1
	})
	close(gates.of(s.gate("priority")).leave)
	for chunk := range uint64(6) {
		s.outcome(chunk)
	}
	// A result is heard of before it is stored.
	waitFor(t, "the results to be stored", func() bool { return s.stored(s.conn.Names.Results()) == 7 })
	var order []uint64
	for sequence := range uint64(7) {
		stored, err := s.conn.GetNext(t.Context(), s.conn.Names.Results(), s.conn.Names.ResultFilter(s.client, ""), sequence+1)
		if err != nil {
			t.Fatal(err)
		}
		var r envelope.Result
		if err := envelope.ParseResult(stored.Data, &r); err != nil {
			t.Fatal(err)
		}
		order = append(order, r.Chunk)
	}
	if want := []uint64{100, 2, 4, 1, 3, 0, 5}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}

// TestAsksForNoMore: a worker whose slots are taken leaves tasks to others (CL5).
func TestAsksForNoMore(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 2})
	for chunk := range uint64(10) {
		s.send(chunk, 1, call(0, gate, s.gate("no more")))
	}
	for range 2 {
		<-gates.of(s.gate("no more")).begun
	}
	consumer, err := s.conn.JS.Consumer(t.Context(), s.conn.Names.Tasks(), s.conn.Names.Consumer(stream.Default, 1))
	if err != nil {
		t.Fatal(err)
	}
	// What was stored is counted some moments later.
	waitFor(t, "the others to be left", func() bool {
		info, err := consumer.Info(t.Context())
		return err == nil && info.NumAckPending == 2 && info.NumPending == 8
	})
	s.serve(ServeOptions{Workers: 8})
	for range 8 {
		<-gates.of(s.gate("no more")).begun
	}
	close(gates.of(s.gate("no more")).leave)
	s.empty()
}

// TestHave: a worker says that it has a task, if it does.
func TestHave(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 1})
	s.send(1, 1, call(0, gate, s.gate("have")))
	<-gates.of(s.gate("have")).begun
	ask := func(chunk uint64) bool {
		refs := envelope.Refs{Client: s.client, Refs: []envelope.Ref{{Chunk: chunk, Index: 0}}}
		_, err := s.conn.NC.Request(s.conn.Names.Have(), envelope.AppendHave(nil, &refs), 300*time.Millisecond)
		return err == nil
	}
	if !ask(1) || ask(2) {
		t.Errorf("it has 1: %t, it has 2: %t", ask(1), ask(2))
	}
	close(gates.of(s.gate("have")).leave)
	s.outcome(1)
}

// TestPresence: a worker is in the bucket of workers while it works, and not afterwards.
func TestPresence(t *testing.T) {
	s := newScript(t, 0)
	stop := s.serve(ServeOptions{Connection: Connection{Name: "here"}, Workers: 3})
	kv, err := s.conn.JS.KeyValue(t.Context(), s.conn.Names.Workers())
	if err != nil {
		t.Fatal(err)
	}
	keys := func() []string {
		keys, err := kv.Keys(t.Context())
		if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
			t.Fatal(err)
		}
		return keys
	}
	waitFor(t, "the worker", func() bool { return len(keys()) == 1 })
	entry, err := kv.Get(t.Context(), keys()[0])
	var p presence
	if err == nil {
		err = json.Unmarshal(entry.Value(), &p)
	}
	if err != nil || p.Name != "here" || p.PID != os.Getpid() || p.Slots != 3 || !slices.Equal(p.Queues, []string{"default"}) || !slices.Contains(p.Functions, double.Name()) {
		t.Errorf("%+v, %v", p, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	waitFor(t, "the worker to be gone", func() bool { return len(keys()) == 0 })
}

// TestServeMisuse: options that make no sense are told.
func TestServeMisuse(t *testing.T) {
	for text, opts := range map[string]ServeOptions{
		"negative Workers":    {Workers: -1},
		"negative Lease":      {Lease: -1},
		`queue "a.b"`:         {Queues: []string{"a.b"}},
		"named twice":         {Queues: []string{"a", "a"}},
		"no URL":              {},
		"connection refused":  {Connection: Connection{URL: "nats://127.0.0.1:1"}},
		`namespace "a b"`:     {Connection: Connection{URL: "nats://127.0.0.1:1", Namespace: "a b"}},
		"nats://127.0.0.1:1:": {Connection: Connection{URL: "nats://127.0.0.1:1"}},
	} {
		opts.Logger = quiet
		if err := Serve(t.Context(), opts); err == nil || !strings.Contains(err.Error(), text) || !strings.HasPrefix(err.Error(), "cluster.Serve: ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}
