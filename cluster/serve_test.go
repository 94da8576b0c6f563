package cluster

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/procpool"
)

// TestServeOutcomes: whatever a task does, its client gets an outcome that says so, and
// nothing else is hurt.
func TestServeOutcomes(t *testing.T) {
	s := newScript(t, 0)
	stop := s.serve(ServeOptions{Workers: 2})
	late := call(0, misbehave, "until stopped")
	late.Timeout = int64(10 * time.Millisecond)
	expired := call(0, misbehave, "until stopped")
	expired.Deadline = time.Now().Add(-time.Second).UnixNano()
	again := call(0, double, -1)
	again.Retry = envelope.Retry{Set: true, Max: 2}
	unknown := call(0, double, 1)
	unknown.Function = "nowhere"
	damaged := call(0, double, 1)
	damaged.Argument = []byte{0xff}
	for i, c := range []struct {
		name string
		item envelope.Item
		kind envelope.Kind
		text string
	}{
		{"value", call(0, double, 21), envelope.Value, ""},
		{"error", call(0, double, -1), envelope.Failure, "negative"},
		{"error after retries", again, envelope.Failure, "negative"},
		{"panic", call(0, misbehave, "panic"), envelope.Panic, "as told"},
		{"panic with an error", call(0, misbehave, "panic with an error"), envelope.PanicError, "negative"},
		{"goexit", call(0, misbehave, "goexit"), envelope.Goexit, "Goexit"},
		{"timeout", late, envelope.Timeout, "deadline exceeded"},
		{"deadline", expired, envelope.Cancelled, "deadline exceeded"},
		{"unknown function", unknown, envelope.Refused, `"nowhere"`},
		{"undecodable argument", damaged, envelope.Refused, "argument of cluster_test.double"},
		{"unencodable value", call(0, unencodable, 1), envelope.Refused, "value of cluster_test.unencodable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			s.send(uint64(i), 1, c.item)
			o, err := s.outcome(uint64(i))
			if o.Kind != c.kind || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
				t.Errorf("kind %d, %v", o.Kind, err)
			}
			if c.name == "error after retries" && o.Attempts != 3 {
				t.Errorf("%d attempts", o.Attempts)
			}
		})
	}
	s.t = t
	s.empty()
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestServeChunk: a chunk has one result, with an outcome for each of its items.
func TestServeChunk(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 2})
	for chunk := range uint64(20) {
		var items []envelope.Item
		for i := range 100 {
			items = append(items, call(i, double, i-1))
		}
		s.send(chunk, 1, items...)
	}
	for chunk := range uint64(20) {
		r := s.result(chunk, envelope.Whole)
		if len(r.Items) != 100 || r.Worker == "" {
			t.Fatalf("%d outcomes of worker %q", len(r.Items), r.Worker)
		}
		for i, o := range r.Items {
			if o.Index != i || i > 0 && value[int](t, o) != 2*(i-1) || i == 0 && o.Kind != envelope.Failure || o.Attempts != 1 {
				t.Fatalf("outcome %d: %+v", i, o)
			}
		}
	}
	s.empty()
}

// TestServeLargeValues: what is too long for a message goes to the object store, also if it
// is only the sum that is.
func TestServeLargeValues(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{})
	s.send(1, 1, call(0, misbehave, "large"))
	many := make([]envelope.Item, 10)
	for i := range many {
		many[i] = call(i, misbehave, strings.Repeat("x", 200<<10))
	}
	for i, it := range many { // arguments of that size would not fit together either
		blob, err := putBlob(t.Context(), s.conn, it.Argument)
		if err != nil {
			t.Fatal(err)
		}
		many[i].Argument, many[i].Blob = nil, blob
	}
	s.send(2, 1, many...)
	size := func(o envelope.Outcome) int {
		if o.Blob.Name == "" {
			return len(value[[]byte](t, o))
		}
		data, err := getBlob(t.Context(), s.conn, o.Blob)
		if err != nil {
			t.Fatal(err)
		}
		o.Payload = data
		return len(value[[]byte](t, o))
	}
	if n := size(s.result(1, envelope.Whole).Items[0]); n != 600<<10 {
		t.Errorf("%d bytes", n)
	}
	for _, o := range s.result(2, envelope.Whole).Items {
		if n := size(o); n != 200<<10 {
			t.Errorf("%d bytes", n)
		}
	}
}

// TestServeProcesses: on a process pool, crashes and hard timeouts are outcomes too.
func TestServeProcesses(t *testing.T) {
	s := newScript(t, 0)
	procs, err := procpool.New(procpool.Options{Workers: 1, KillGrace: 50 * time.Millisecond, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer procs.Close()
	stop := s.serve(ServeOptions{Executor: procs})
	s.send(1, 1, call(0, misbehave, "exit"))
	o, err := s.outcome(1)
	crash, _ := errors.AsType[*futures.CrashError](err)
	if o.Kind != envelope.Crash || crash == nil || crash.ExitCode != 7 || crash.PID == 0 || crash.Task != misbehave.Name() || crash.Attempt != 1 {
		t.Errorf("kind %d, %v", o.Kind, err)
	}
	hung := call(0, misbehave, "until stopped")
	hung.Timeout = int64(time.Millisecond)
	s.send(2, 1, hung)
	if o, err := s.outcome(2); o.Kind != envelope.Timeout {
		t.Errorf("kind %d, %v", o.Kind, err)
	}
	s.send(3, 1, call(0, double, 4))
	if o, _ := s.outcome(3); value[int](t, o) != 8 {
		t.Errorf("after that: %+v", o)
	}
	s.send(4, 1, call(0, misbehave, "panic"))
	if o, err := s.outcome(4); o.Kind != envelope.Panic || codec.DecodeError(o.Payload).Stack == "" {
		t.Errorf("kind %d, %v", o.Kind, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestServeBrokenExecutor: a worker whose executor takes nothing any more ends, and what it
// had goes to another one.
func TestServeBrokenExecutor(t *testing.T) {
	s := newScript(t, 0)
	procs, err := procpool.New(procpool.Options{Workers: 1, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if err := procs.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(t.Context(), ServeOptions{Connection: Connection{Server: s.server}, Executor: procs, Workers: 1, Logger: quiet})
	}()
	s.send(1, 1, call(0, double, 4))
	if err := <-ended; !errors.Is(err, futures.ErrClosed) || !strings.Contains(err.Error(), "cluster.Serve") {
		t.Errorf("Serve: %v", err)
	}
	s.serve(ServeOptions{})
	if o, _ := s.outcome(1); value[int](t, o) != 8 {
		t.Errorf("got %+v", o)
	}
}

// TestOutcomesArrive: what happens in a worker process on a worker arrives as the error that
// a process pool of one's own gives.
func TestOutcomesArrive(t *testing.T) {
	ctx := t.Context()
	s := newScript(t, 0)
	procs, err := procpool.New(procpool.Options{Workers: 1, KillGrace: 50 * time.Millisecond, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer procs.Close()
	s.serve(ServeOptions{Executor: procs})
	p, err := Connect(ctx, Options{Connection: Connection{Server: s.server}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	_, err = misbehave.Submit(ctx, p, "exit").Result(ctx)
	if crash, ok := err.(*futures.CrashError); !ok || crash.ExitCode != 7 || crash.PID == 0 || crash.Task != misbehave.Name() || crash.Attempt != 1 {
		t.Errorf("exit: %#v", err)
	}
	_, err = misbehave.Submit(ctx, p, "until stopped", futures.Timeout(time.Millisecond)).Result(ctx)
	if !errors.Is(err, futures.ErrTimeout) {
		t.Errorf("timeout: %v", err)
	}
	_, err = double.Submit(ctx, p, -1).Result(ctx)
	if remote, ok := err.(*futures.RemoteError); !ok || remote.Message != "negative" || remote.Type != "*errors.errorString" {
		t.Errorf("error: %#v", err)
	}
	_, err = misbehave.Submit(ctx, p, "panic").Result(ctx)
	if panicked, ok := err.(*futures.PanicError); !ok || panicked.Value != "as told" || len(panicked.Stack) == 0 {
		t.Errorf("panic: %#v", err)
	}
	_, err = misbehave.Submit(ctx, p, "goexit").Result(ctx)
	if panicked, ok := err.(*futures.PanicError); !ok || !panicked.Goexit {
		t.Errorf("goexit: %#v", err)
	}
	f := misbehave.Submit(ctx, p, "until stopped")
	waitFor(t, "it to run", func() bool { return f.State() == futures.Running })
	f.Cancel()
	if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) || f.State() != futures.Cancelled {
		t.Errorf("cancel: %v, %v", f.State(), err)
	}
}

// TestRunTimeIsItsOwn: a task's time runs from when its executor has it, and not from when it has
// a slot, as its client is told in between. Else who has many tasks on slow connections would take
// all functions for long ones, whose tasks travel alone, and so for good.
func TestRunTimeIsItsOwn(t *testing.T) {
	const told = 300 * time.Millisecond
	s := newScript(t, 0)
	w := s.worker(func(*workerOptions) {})
	w.starter.mu.Lock() // nothing is given to the executor
	s.send(1, 1, call(0, double, 4))
	waitFor(t, "it to have a slot", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.slots.long == 1
	})
	time.Sleep(told)
	w.starter.mu.Unlock()
	if o, _ := s.outcome(1); value[int](t, o) != 8 || o.RunNanos > int64(told)/2 {
		t.Errorf("%d, after %v", value[int](t, o), time.Duration(o.RunNanos))
	}
	if err := w.drain(patience); err != nil {
		t.Error(err)
	}
}
