package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)

// shortLease is as short as a lost worker should be noticed in tests, and long enough for
// a worker that is alive under the race detector.
const shortLease = 2 * time.Second

func init() {
	roles["worker"] = func() {
		opts := ServeOptions{Connection: Connection{URL: os.Getenv("CLUSTER_TEST_URL")}, Workers: 4, Logger: quiet}
		if err := Serve(context.Background(), opts); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// workerProcess starts a worker that is a process, which the test's end kills.
func (s *script) workerProcess() (kill func()) {
	s.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CLUSTER_TEST_ROLE=worker", "CLUSTER_TEST_URL="+s.server.URL())
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	dead := false
	kill = func() {
		if !dead {
			dead = true
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed, as it says
		}
	}
	s.t.Cleanup(kill)
	return kill
}

// begun waits for the notice that an item has begun, and returns who runs it.
func (s *script) begun(chunk uint64, index int) (worker string) {
	s.t.Helper()
	s.until(fmt.Sprintf("the start of %d.%d", chunk, index), func() bool {
		for _, n := range s.notices {
			for _, ref := range n.Begun {
				if ref == (envelope.Ref{Chunk: chunk, Index: index}) {
					worker = n.Worker
					return true
				}
			}
		}
		return false
	})
	return worker
}

// letters returns the dead letters.
func (s *script) letters() (all []DeadLetter) {
	s.t.Helper()
	for letter, err := range deadLetters(s.t.Context(), s.conn) {
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, letter)
	}
	return all
}

// TestLostWorker: a worker that is killed loses nothing: what it had runs elsewhere (CL2, CL3),
// a task of its own under its own id, and those of a chunk under ids of their own.
func TestLostWorker(t *testing.T) {
	t.Parallel()
	s := newScript(t, shortLease)
	kill := s.workerProcess()
	s.send(1, 1, call(0, gate, s.gate("lost worker, single")))
	s.send(2, 1, call(0, double, 1), call(1, gate, s.gate("lost worker, chunk")), call(2, double, 3))
	first := s.begun(1, 0)
	s.begun(2, 1)
	s.until("the outcomes of the chunk's other items", func() bool {
		n := 0
		for _, r := range s.partial {
			n += len(r.Items)
		}
		return n >= 2
	})
	kill()
	close(gates.of(s.gate("lost worker, single")).leave)
	close(gates.of(s.gate("lost worker, chunk")).leave)
	stop := s.serve(ServeOptions{Workers: 2})
	r := s.result(1, envelope.Whole)
	if len(r.Items) != 1 || value[string](t, r.Items[0]) != s.gate("lost worker, single") || r.Worker == first {
		t.Errorf("single: %+v", r)
	}
	if r := s.result(2, envelope.Whole); !r.Split {
		t.Errorf("the chunk's own result: %+v", r)
	}
	for i, want := range []any{2, s.gate("lost worker, chunk"), 6} {
		r := s.result(2, i)
		var got any
		switch want.(type) {
		case int:
			got = value[int](t, r.Items[0])
		case string:
			got = value[string](t, r.Items[0])
		}
		if got != want || r.Items[0].Index != i {
			t.Errorf("item %d: %v", i, got)
		}
	}
	s.empty()
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := len(s.letters()); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// TestPoison: a task that costs its workers their lives ends among the dead letters, with its
// history, and as an outcome. It can be queued again.
func TestPoison(t *testing.T) {
	t.Parallel()
	s := newScript(t, shortLease)
	poison := call(0, misbehave, "exit")
	s.workerProcess()
	s.workerProcess()
	s.workerProcess() // which gives up
	s.send(1, 1, poison)
	o, err := s.outcome(1)
	if o.Kind != envelope.Lost || !strings.Contains(err.Error(), "worker was lost") || o.Attempts != 2 {
		t.Errorf("kind %d, %d attempts, %v", o.Kind, o.Attempts, err)
	}
	s.empty()
	letters := s.letters()
	if len(letters) != 1 {
		t.Fatalf("%d dead letters", len(letters))
	}
	letter := letters[0]
	id := envelope.ID{Client: s.client, Epoch: "o", Chunk: 1, Index: 0}.String()
	if letter.Function != misbehave.Name() || letter.Queue != stream.Default || len(letter.History) != 2 || letter.ID != id || letter.History[0].By == "" || letter.Worker == "" {
		t.Errorf("letter %+v", letter)
	}
	var how string
	if err := codec.Decode(letter.Argument, &how); err != nil || how != "exit" {
		t.Errorf("argument %q, %v", how, err)
	}
}

// TestAtMostOnce: a task that may lose no worker is not run again.
func TestAtMostOnce(t *testing.T) {
	t.Parallel()
	s := newScript(t, shortLease)
	once := call(0, gate, s.gate("at most once"))
	once.AtMost = 0
	kill := s.workerProcess()
	s.send(1, 1, once)
	s.begun(1, 0)
	kill()
	s.serve(ServeOptions{})
	if o, err := s.outcome(1); o.Kind != envelope.Lost {
		t.Errorf("kind %d, %v", o.Kind, err)
	}
	if len(gates.of(s.gate("at most once")).begun) != 0 {
		t.Error("it has begun again")
	}
	if n := len(s.letters()); n != 1 {
		t.Errorf("%d dead letters", n)
	}
}

// TestRedrive: a dead letter that is queued again runs as a new task.
func TestRedrive(t *testing.T) {
	s := newScript(t, shortLease)
	once := call(0, double, 21)
	once.AtMost = 0
	lost := envelope.Task{Client: s.client, Epoch: "o", Chunk: 1, Index: envelope.Whole, Lost: 1, Items: []envelope.Item{once}}
	lost.History = []envelope.Loss{{Time: time.Now().UnixNano(), By: "somebody", Reason: "test"}}
	letter := envelope.DeadLetter{Time: time.Now().UnixNano(), Worker: "somebody", Reason: "test", Message: envelope.AppendTask(nil, &lost)}
	letter.Subject = s.conn.Names.Task(stream.Default, 1, s.client, 1, envelope.Whole)
	s.store(s.conn.Names.DeadLetter(stream.Default, s.client, 1, envelope.Whole), envelope.AppendDeadLetter(nil, &letter))
	s.serve(ServeOptions{})
	letters := s.letters()
	if len(letters) != 1 || letters[0].String() != double.Name()+" in queue default: test" {
		t.Fatalf("letters %v", letters)
	}
	text, err := redrive(t.Context(), s.conn, letters[0])
	if err != nil {
		t.Fatal(err)
	}
	id, err := envelope.ParseID(text)
	if err != nil {
		t.Fatal(err)
	}
	var r envelope.Result
	waitFor(t, "the result", func() bool {
		stored, err := s.conn.GetLast(t.Context(), s.conn.Names.Results(), s.conn.Names.Result(id.Client, id.Epoch, id.Chunk, envelope.Whole))
		return err == nil && envelope.ParseResult(stored.Data, &r) == nil
	})
	if value[int](t, r.Items[0]) != 42 {
		t.Errorf("result %+v", r)
	}
	if n := len(s.letters()); n != 0 {
		t.Errorf("%d letters are left", n)
	}
}

// TestMalformed: messages that do not decode, or are under another's subject, end among the
// dead letters and hurt nobody (CL7).
func TestMalformed(t *testing.T) {
	s := newScript(t, shortLease)
	s.serve(ServeOptions{Workers: 1})
	names := s.conn.Names
	good := envelope.Task{Client: s.client, Epoch: "o", Chunk: 1, Index: envelope.Whole, Items: []envelope.Item{call(0, double, 1)}}
	other := good
	other.Client = "somebody"
	epoch := good
	epoch.Epoch = "a.b"
	bad := map[string][]byte{
		names.Task(stream.Default, 1, s.client, 1, -1):  []byte("nonsense"),
		names.Task(stream.Default, 1, s.client, 2, -1):  envelope.AppendTask(nil, &good),
		names.Task(stream.Default, 0, s.client, 1, -1):  envelope.AppendTask(nil, &other),
		names.Task(stream.Default, 2, s.client, 1, -1):  envelope.AppendTask(nil, &epoch),
		names.Task(stream.Default, 1, "x", 1, -1) + "_": nil,
	}
	for subject, data := range bad {
		s.store(subject, data)
	}
	s.send(7, 1, call(0, double, 4))
	if o, _ := s.outcome(7); value[int](t, o) != 8 {
		t.Errorf("got %+v", o)
	}
	s.empty()
	letters := s.letters()
	if len(letters) != len(bad) {
		t.Errorf("%d dead letters, want %d", len(letters), len(bad))
	}
	for _, letter := range letters {
		if letter.Reason == "" {
			t.Errorf("letter without a reason: %+v", letter)
		}
		if letter.Queue != "" && letter.Function == "" {
			if _, err := redrive(t.Context(), s.conn, letter); !errors.Is(err, errNotATask) {
				t.Errorf("redrive of %v: %v", letter, err)
			}
		}
	}
}

// TestLateResult: a worker that was silent for longer than its lease, and finishes all the
// same, is too late where another one was first: of a single task the first outcome counts,
// and of a chunk that was split the whole's is refused (CL1).
func TestLateResult(t *testing.T) {
	t.Parallel()
	s := newScript(t, time.Second)
	stalled := s.worker(func(o *workerOptions) { o.Lease = time.Hour }) // it does not extend in time
	s.send(1, 1, call(0, gate, s.gate("stalled")))
	s.send(2, 1, call(0, gate, s.gate("stalled")), call(1, double, 5))
	s.begun(1, 0)
	s.begun(2, 0)
	for range 2 {
		<-gates.of(s.gate("stalled")).begun
	}
	stalled.stopTaking()
	stop := s.serve(ServeOptions{Workers: 4})
	for range 2 { // begun again by the other one
		<-gates.of(s.gate("stalled")).begun
	}
	close(gates.of(s.gate("stalled")).leave)
	if r := s.result(2, envelope.Whole); !r.Split {
		t.Errorf("the chunk's own result: %+v", r)
	}
	s.result(1, envelope.Whole)
	if value[string](t, s.result(2, 0).Items[0]) != s.gate("stalled") || value[int](t, s.result(2, 1).Items[0]) != 10 {
		t.Error("another value")
	}
	if err := stalled.drain(patience); err != nil {
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	s.empty()
	stored, err := s.conn.GetLast(t.Context(), s.conn.Names.Results(), s.conn.Names.Result(s.client, "o", 2, envelope.Whole))
	var r envelope.Result
	if err != nil || envelope.ParseResult(stored.Data, &r) != nil || !r.Split {
		t.Errorf("what is stored of the chunk: %+v, %v", r, err)
	}
	if n := s.stored(s.conn.Names.Results()); n != 4 {
		t.Errorf("%d results are stored", n)
	}
}

// TestLease: a lease is extended while a task runs, however long (CL4).
func TestLease(t *testing.T) {
	t.Parallel()
	s := newScript(t, time.Second)
	stop := s.serve(ServeOptions{Workers: 1})
	other := s.serve(ServeOptions{Workers: 1})
	s.send(1, 1, call(0, gate, s.gate("leased")))
	<-gates.of(s.gate("leased")).begun
	began := time.Now()
	consumer, err := s.conn.JS.Consumer(t.Context(), s.conn.Names.Tasks(), s.conn.Names.Consumer(stream.Default, 1))
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "three leases to pass", func() bool { return time.Since(began) > 3*time.Second })
	info, err := consumer.Info(t.Context())
	if err != nil || info.NumRedelivered != 0 || info.NumAckPending != 1 {
		t.Errorf("redelivered %d, pending %d, %v", info.NumRedelivered, info.NumAckPending, err)
	}
	close(gates.of(s.gate("leased")).leave)
	if o, _ := s.outcome(1); value[string](t, o) != s.gate("leased") {
		t.Errorf("got %+v", o)
	}
	if err := errors.Join(stop(), other()); err != nil {
		t.Error(err)
	}
}

// TestLeaseAfterLoss: leases are extended at once where what the server was told last may be lost:
// after a reconnection, and with another leader of the consumer (CL4).
func TestLeaseAfterLoss(t *testing.T) {
	s := newScript(t, time.Hour)
	w := s.worker(func(o *workerOptions) { o.Lease = time.Hour }) // none is due in this test
	extended, requests := make(chan struct{}, 1000), make(chan *nats.Msg, 1000)
	for subject, do := range map[string]func(*nats.Msg){
		"$JS.ACK.>": func(m *nats.Msg) {
			if string(m.Data) == "+WPI" {
				extended <- struct{}{}
			}
		},
		"$JS.API.CONSUMER.MSG.NEXT." + s.conn.Names.Tasks() + "." + s.conn.Names.Consumer(stream.Default, 1): func(m *nats.Msg) { requests <- m },
	} {
		if _, err := s.conn.Subscribe(subject, do); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.conn.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.send(1, 1, call(0, gate, s.gate("leased")))
	<-gates.of(s.gate("leased")).begun
	await := func(what string) {
		t.Helper()
		select {
		case <-extended:
		case <-time.After(patience):
			t.Fatalf("the lease is not extended %s", what)
		}
	}
	if err := w.conn.NC.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	await("after a reconnection")
	for len(requests) > 0 { // until then; those since are the ones that count
		<-requests
	}
	s.send(2, 1, call(0, double, 1)) // has more asked for
	s.outcome(2)
	request := <-requests
	header := nats.Header{"Status": {"409"}, "Description": {"Leadership Change"}}
	if err := s.conn.NC.PublishMsg(&nats.Msg{Subject: request.Reply, Header: header}); err != nil {
		t.Fatal(err)
	}
	await("with another leader")
	close(gates.of(s.gate("leased")).leave)
	s.outcome(1)
	if err := w.drain(patience); err != nil {
		t.Error(err)
	}
}
