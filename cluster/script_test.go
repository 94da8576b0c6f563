package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)

// patience bounds the waits of these tests, which fail then.
const patience = 20 * time.Second

var errNegative = errors.New("negative")

// The functions of these tests.
var (
	double = futures.Define("cluster_test.double", func(_ context.Context, n int) (int, error) {
		if n < 0 {
			return 0, errNegative
		}
		return 2 * n, nil
	})
	misbehave = futures.Define("cluster_test.misbehave", func(ctx context.Context, how string) ([]byte, error) {
		switch how {
		case "panic":
			panic("as told")
		case "panic with an error":
			panic(errNegative)
		case "goexit":
			runtime.Goexit()
		case "exit":
			os.Exit(7)
		case "until stopped":
			<-ctx.Done()
			return nil, ctx.Err()
		case "large":
			return make([]byte, 600<<10), nil
		}
		return []byte(how), nil
	})
	unencodable = futures.Define("cluster_test.unencodable", func(context.Context, int) (any, error) { return func() {}, nil })
	gate        = futures.Define("cluster_test.gate", func(ctx context.Context, name string) (string, error) { return gates.pass(ctx, name) })
)

// gates let tests know that tasks of this process have begun, and hold them.
var gates gateKeeper

type gateKeeper struct {
	mu   sync.Mutex
	open map[string]*oneGate
}

type oneGate struct {
	begun chan struct{} // gets a token for each task that arrives
	leave chan struct{} // closed when they may go on
}

func (g *gateKeeper) of(name string) *oneGate {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = make(map[string]*oneGate)
	}
	if g.open[name] == nil {
		g.open[name] = &oneGate{make(chan struct{}, 1000), make(chan struct{})}
	}
	return g.open[name]
}

func (g *gateKeeper) pass(ctx context.Context, name string) (string, error) {
	one := g.of(name)
	one.begun <- struct{}{}
	select {
	case <-one.leave:
		return name, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// script is a client that publishes envelopes itself.
type script struct {
	t         *testing.T
	server    *Server
	conn      *stream.Conn
	publisher *stream.Publisher
	client    string

	mu      sync.Mutex
	results map[messageID]envelope.Result // as they came live
	notices []envelope.Notice
	partial []envelope.Result
	changed chan struct{} // closed and made anew with each arrival
}

// gate returns the name of a gate of this script's own.
func (s *script) gate(name string) string { return name + " " + s.client }

// newScript starts a server and connects to it.
func newScript(t *testing.T, lease time.Duration) *script {
	t.Helper()
	server, err := StartServer(ServerOptions{Durability: Memory, Listen: "127.0.0.1:0", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return connectScript(t, server, Connection{Server: server}, lease, true)
}

// connectScript connects to a server.
func connectScript(t *testing.T, server *Server, connection Connection, lease time.Duration, memory bool) *script {
	t.Helper()
	s := &script{t: t, server: server, client: nuid.Next(), results: make(map[messageID]envelope.Result), changed: make(chan struct{})}
	var err error
	if s.conn, err = connection.connect(t.Context(), stream.Client, quiet); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.conn.Close)
	if err := s.conn.Setup(t.Context(), stream.Layout{Lease: lease, Memory: memory, Queues: []string{stream.Default}}); err != nil {
		t.Fatal(err)
	}
	if s.publisher, err = s.conn.NewPublisher(); err != nil {
		t.Fatal(err)
	}
	for subject, do := range map[string]func(*nats.Msg){
		s.conn.Names.ResultFilter(s.client, ""): s.resultCame,
		s.conn.Names.Notice(s.client):           s.noticeCame,
	} {
		if _, err := s.conn.Subscribe(subject, do); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *script) resultCame(m *nats.Msg) {
	var r envelope.Result
	subject, err := s.conn.Names.ParseResult(m.Subject)
	if err == nil {
		err = envelope.ParseResult(m.Data, &r)
	}
	if err != nil {
		s.t.Errorf("a result that does not decode: %v", err)
		return
	}
	if r.Claim {
		return
	}
	s.change(func() {
		id := messageID{subject.Client, subject.Chunk, subject.Index}
		if _, twice := s.results[id]; !twice { // the first is the one that is stored
			s.results[id] = r
		}
	})
}

func (s *script) noticeCame(m *nats.Msg) {
	if envelope.IsNotice(m.Data) {
		var n envelope.Notice
		if err := envelope.ParseNotice(m.Data, &n); err != nil {
			s.t.Errorf("a notice that does not decode: %v", err)
		}
		s.change(func() { s.notices = append(s.notices, n) })
		return
	}
	var r envelope.Result
	if err := envelope.ParseResult(m.Data, &r); err != nil || !r.Partial {
		s.t.Errorf("a notice that is neither: %v", err)
	}
	s.change(func() { s.partial = append(s.partial, r) })
}

func (s *script) change(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
	close(s.changed)
	s.changed = make(chan struct{})
}

// until waits until there is what the function looks for, which is called with s.mu held.
func (s *script) until(what string, there func() bool) {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed := there(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			s.t.Fatalf("waited for %s for %v", what, patience)
		}
	}
}

// call returns an item.
func call[In, Out any](index int, f *futures.Func[In, Out], in In) envelope.Item {
	argument, err := codec.Append(nil, &in)
	if err != nil {
		panic(err)
	}
	return envelope.Item{Index: index, Function: f.Name(), Argument: argument, AtMost: 1, Submitted: time.Now().UnixNano()}
}

// send stores a message, and returns its sequence number.
func (s *script) send(chunk uint64, level int, items ...envelope.Item) uint64 {
	s.t.Helper()
	return s.sendTask(level, &envelope.Task{Client: s.client, Epoch: "o", Chunk: chunk, Index: envelope.Whole, Items: items})
}

func (s *script) sendTask(level int, t *envelope.Task) uint64 {
	s.t.Helper()
	return s.store(s.conn.Names.Task(stream.Default, level, t.Client, t.Chunk, t.Index), envelope.AppendTask(nil, t))
}

func (s *script) store(subject string, data []byte) uint64 {
	s.t.Helper()
	type answer struct {
		sequence uint64
		err      error
	}
	answers := make(chan answer, 1)
	if err := s.publisher.Publish(subject, "", nil, data, func(sequence uint64, err error) { answers <- answer{sequence, err} }); err != nil {
		s.t.Fatal(err)
	}
	a := <-answers
	if a.err != nil {
		s.t.Fatal(a.err)
	}
	return a.sequence
}

// result waits for a result.
func (s *script) result(chunk uint64, index int) envelope.Result {
	s.t.Helper()
	id := messageID{s.client, chunk, index}
	var r envelope.Result
	s.until(fmt.Sprintf("the result of %d.%d", chunk, index), func() (ok bool) { r, ok = s.results[id]; return ok })
	return r
}

// outcome waits for the outcome of a message with one task.
func (s *script) outcome(chunk uint64) (envelope.Outcome, error) {
	s.t.Helper()
	r := s.result(chunk, envelope.Whole)
	if len(r.Items) != 1 {
		s.t.Fatalf("%d outcomes, split %t", len(r.Items), r.Split)
	}
	o := r.Items[0]
	if o.Kind == envelope.Value {
		return o, nil
	}
	if o.Kind == envelope.Crash {
		return o, envelope.ParseCrash(o.Payload)
	}
	return o, codec.DecodeError(o.Payload)
}

// value decodes a value.
func value[T any](t *testing.T, o envelope.Outcome) (v T) {
	t.Helper()
	if o.Kind != envelope.Value {
		t.Errorf("outcome of kind %d: %v", o.Kind, codec.DecodeError(o.Payload))
		return v
	}
	if err := codec.Decode(o.Payload, &v); err != nil {
		t.Error(err)
	}
	return v
}

// cancel tells all workers.
func (s *script) cancel(refs ...envelope.Ref) {
	s.t.Helper()
	r := envelope.Refs{Client: s.client, Refs: refs}
	if err := s.conn.NC.Publish(s.conn.Names.Cancel(), envelope.AppendCancel(nil, &r)); err != nil {
		s.t.Fatal(err)
	}
}

// serve runs a worker until the returned function is called, which returns what Serve
// does.
func (s *script) serve(opts ServeOptions) (stop func() error) {
	s.t.Helper()
	opts.Connection.Server = s.server
	if opts.Logger == nil {
		opts.Logger = quiet
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, opts) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	s.t.Cleanup(func() { _ = stop() })
	return stop
}

// worker starts a worker that the test drains.
func (s *script) worker(change func(*workerOptions)) *worker {
	s.t.Helper()
	opts, err := (&ServeOptions{Workers: 4, Lease: time.Minute, Logger: quiet}).worker()
	if err != nil {
		s.t.Fatal(err)
	}
	opts.Lease = time.Minute
	change(&opts)
	connection := Connection{Server: s.server}
	conn, err := connection.connect(s.t.Context(), stream.Worker, quiet)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(conn.Close)
	if err := conn.SetupConsumers(s.t.Context(), 0, opts.Queues); err != nil {
		s.t.Fatal(err)
	}
	w, err := newWorker(conn, opts)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// empty waits until no task message is stored.
func (s *script) empty() {
	s.t.Helper()
	waitFor(s.t, "the queue to be empty", func() bool { return s.stored(s.conn.Names.Tasks()) == 0 })
}

// stored returns how many messages a stream has.
func (s *script) stored(name string) uint64 {
	s.t.Helper()
	st, err := s.conn.JS.Stream(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return st.CachedInfo().State.Msgs
}

// waitFor polls for a state.
func waitFor(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !there(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s for %v", what, patience)
		}
	}
}
