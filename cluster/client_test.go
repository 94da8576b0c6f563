package cluster

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/gopool"
)

var (
	twice = futures.Define("client.twice", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

	ran = futures.Define("client.ran", func(_ context.Context, n int) (int, error) {
		runs.Add(1)
		return n, nil
	})
	runs atomic.Int64
)

func newServer(t testing.TB, o ServerOptions) *Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	s, err := StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client returns a pool that is shut down when the test ends.
func client(t testing.TB, o Options) *Pool {
	t.Helper()
	if o.Logger == nil {
		o.Logger = quiet
	}
	p, err := Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Shutdown(ended)
	})
	return p
}

// on returns options for a pool on a server.
func on(s *Server) Options { return Options{Connection: Connection{Server: s}} }

// work starts a worker that ends with the test, or when stop is called.
func work(t testing.TB, s *Server) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, ServeOptions{Connection: Connection{Server: s}, Workers: 2, Logger: quiet})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// stored returns how many messages a stream has for a subject.
func stored(t testing.TB, p *Pool, stream string) uint64 {
	t.Helper()
	s, err := p.conn.JS.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

func TestAttach(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	elsewhere := on(s)
	elsewhere.QueueName = "other" // an id is good in the whole namespace
	first, second := client(t, on(s)), client(t, elsewhere)
	f := gate.Submit(ctx, first, "attach")
	id, err := first.ID(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	queued, err := Attach[string](ctx, second, id)
	if err != nil {
		t.Fatal(err)
	}
	work(t, s)
	waitFor(t, "begun", func() bool { return f.State() == futures.Running })
	running, err := Attach[string](ctx, second, id)
	if err != nil {
		t.Fatal(err)
	}
	close(gates.of("attach").leave)
	for what, f := range map[string]*futures.Future[string]{"submitted": f, "attached while queued": queued, "attached while running": running} {
		if v, err := f.Result(ctx); v != "attach" || err != nil {
			t.Errorf("%s: %v, %v", what, v, err)
		}
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	done, err := Attach[string](ctx, second, id)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := done.Result(ctx); v != "attach" || err != nil {
		t.Errorf("attached when done: %v, %v", v, err)
	}
	wrong, err := Attach[int](ctx, second, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wrong.Result(ctx); err == nil || !strings.Contains(err.Error(), "int") {
		t.Errorf("of another type: %v", err)
	}
}

func TestAttachToWhatIsUnknown(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	work(t, s)
	for _, id := range []string{"", "a.b", envelope.ID{Client: "nobody", Epoch: "o", Chunk: 1}.String()} {
		if _, err := Attach[int](ctx, p, id); !errors.Is(err, ErrUnknownTask) {
			t.Errorf("%q: %v", id, err)
		}
	}
	f := twice.Submit(ctx, p, 1)
	f.Result(ctx)
	if _, err := p.ID(ctx, f); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("of a task that is done: %v", err)
	}
	if _, err := p.ID(ctx, futures.NewPromise[int]().Future()); !errors.Is(err, ErrUnknownTask) {
		t.Errorf("of a promise: %v", err)
	}
}

func TestAttachedIsCancelled(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	other := client(t, on(s))
	work(t, s)
	f := gate.Submit(ctx, p, "attached is cancelled")
	id, err := p.ID(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "begun", func() bool { return f.State() == futures.Running })
	attached, err := Attach[string](ctx, other, id)
	if err != nil {
		t.Fatal(err)
	}
	attached.Cancel()
	if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
		t.Errorf("got %v", err)
	}
	again, err := Attach[string](ctx, other, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
		t.Errorf("attached again: %v", err)
	}
}

func TestAttachedWhenThePoolCloses(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p, other := client(t, on(s)), client(t, on(s))
	id, err := p.ID(ctx, twice.Submit(ctx, p, 1))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Attach[int](ctx, other, id)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Err(); !errors.Is(err, futures.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestDelayOnTheServer: the server keeps a task back, and puts it in line also when the
// pool that submitted it is not there.
func TestDelayOnTheServer(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	work(t, s)
	began := time.Now()
	late := twice.Submit(ctx, p, 4, futures.Delay(700*time.Millisecond))
	never := twice.Submit(ctx, p, 5, futures.Delay(time.Hour))
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, p, p.conn.Names.Later()); n != 2 {
		t.Errorf("%d messages wait", n)
	}
	if in := p.Inspect(); in.Delayed != 2 || in.Queued != 0 {
		t.Errorf("%d delayed, %d queued", in.Delayed, in.Queued)
	}
	if !never.Cancel() {
		t.Errorf("not cancelled: %v", never)
	}
	if v, err := late.Result(ctx); v != 8 || err != nil || time.Since(began) < 700*time.Millisecond {
		t.Errorf("got %v, %v after %v", v, err, time.Since(began))
	}
	waitFor(t, "nothing waits", func() bool { return stored(t, p, p.conn.Names.Later()) == 0 })
}

// TestResultsAreRemoved: CL8 and CL6 for what is stored.
func TestResultsAreRemoved(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	stop := work(t, s)
	var fs []*futures.Future[int]
	for range 3 {
		fs = fs[:0]
		for i := range 1000 {
			fs = append(fs, twice.Submit(ctx, p, i))
		}
		if _, err := futures.Gather(ctx, fs...); err != nil {
			t.Fatal(err)
		}
	}
	names := p.conn.Names
	waitFor(t, "results are removed", func() bool { return stored(t, p, names.Results()) == 0 })
	waitFor(t, "tasks are removed but for the sentinel", func() bool { return stored(t, p, names.Tasks()) == 1 })
	p.feed.Lock()
	left := len(p.chunks) + len(p.questions) + len(p.stopping) + len(p.awaited)
	p.feed.Unlock()
	if left+int(p.waiting.Load()) != 0 {
		t.Errorf("%d things are left, %d wait", left, p.waiting.Load())
	}
	stop()
	other := client(t, on(s))
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if n := stored(t, other, names.Tasks()); n != 1 {
		t.Errorf("%d messages besides the other pool's sentinel", n-1)
	}
}

// TestContextOfManyEnds: none of the tasks of a context that has ended is begun, and none is
// left on the server.
func TestContextOfManyEnds(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	within, cancel := context.WithCancel(ctx)
	runs.Store(0)
	var fs []*futures.Future[int]
	for i := range 3000 {
		fs = append(fs, ran.Submit(within, p, i))
	}
	kept := ran.Submit(ctx, p, 1)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	cancel()
	for _, f := range fs {
		if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) {
			t.Fatalf("got %v", err)
		}
	}
	work(t, s)
	if _, err := kept.Result(ctx); err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d tasks ran", n)
	}
	waitFor(t, "nothing is left but the sentinel", func() bool { return stored(t, p, p.conn.Names.Tasks()) == 1 })
}

// TestCancelBesideEverything: whatever Cancel meets, a task of which it says so has not run.
func TestCancelBesideEverything(t *testing.T) {
	ctx := t.Context()
	p := client(t, Options{Workers: 2})
	for range 3 { // unknown at first, then short
		for i := range 200 {
			before := runs.Load()
			f := ran.Submit(ctx, p, i)
			if i%3 == 0 {
				runtime.Gosched()
			}
			cancelled := f.Cancel()
			_, err := f.Result(ctx)
			switch after := runs.Load(); {
			case cancelled && !errors.Is(err, futures.ErrCancelled):
				t.Fatalf("Cancel was true: %v", err)
			case cancelled && f.State() != futures.Cancelled:
				t.Fatalf("state %v", f.State())
			case err == nil && after == before:
				t.Fatal("a value of a task that did not run")
			}
		}
	}
}

// TestServerIsFull: a task that finds no room on the server waits, or is refused.
func TestServerIsFull(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	o := on(s)
	o.MaxStored = 5 // one of them is the sentinel
	waits := client(t, o)
	o.RejectWhenFull = true
	rejects := client(t, o)
	var fs []*futures.Future[int]
	for i := range 10 {
		fs = append(fs, twice.Submit(ctx, waits, i))
	}
	waitFor(t, "full", func() bool { return stored(t, waits, waits.conn.Names.Tasks()) == 5 })
	if _, err := twice.Submit(ctx, rejects, 1).Result(ctx); !errors.Is(err, futures.ErrQueueFull) || !strings.Contains(err.Error(), "client.twice") {
		t.Errorf("got %v", err)
	}
	if fs[9].State() != futures.Pending || !fs[9].Cancel() {
		t.Errorf("the last one: %v", fs[9])
	}
	work(t, s)
	for i, f := range fs[:9] {
		if v, err := f.Result(ctx); v != 2*i || err != nil {
			t.Errorf("%d: %v, %v", i, v, err)
		}
	}
}

// TestLiveResultsAreLost: CL2 where nobody listened when the result came.
func TestLiveResultsAreLost(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	var fs []*futures.Future[int]
	for i := range 50 {
		fs = append(fs, twice.Submit(ctx, p, i))
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	p.feed.Lock()
	chunks := p.chunks
	p.chunks = make(map[uint64]*chunk) // so that it does not know what comes
	p.feed.Unlock()
	work(t, s)
	waitFor(t, "all are stored", func() bool { return stored(t, p, p.conn.Names.Results()) == 50 })
	if err := p.conn.Fence(ctx); err != nil {
		t.Fatal(err)
	}
	p.feed.Lock()
	p.chunks = chunks
	p.feed.Unlock()
	p.gap()
	for i, f := range fs {
		if v, err := f.Result(ctx); v != 2*i || err != nil {
			t.Errorf("%d: %v, %v", i, v, err)
		}
	}
}

// TestClientIgnoresWhatIsMalformed: CL7.
func TestClientIgnoresWhatIsMalformed(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	work(t, s)
	names := p.conn.Names
	for _, data := range [][]byte{nil, []byte("junk"), []byte("fxN\x01"), envelope.AppendResult(nil, &envelope.Result{Chunk: 1, Worker: "w", Items: []envelope.Outcome{{Index: 1000}}})} {
		for _, subject := range []string{names.Notice(p.client), names.Result(p.client, "e0", 1, envelope.Whole), names.Cancel()} {
			if err := p.conn.NC.Publish(subject, data); err != nil {
				t.Fatal(err)
			}
		}
		if v, err := twice.Submit(ctx, p, 1).Result(ctx); v != 2 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	}
}

// TestForeignResultsChangeNothing: CL1, the first result of a task counts.
func TestForeignResultsChangeNothing(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	f := twice.Submit(ctx, p, 1)
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	j := futures.TaskOf(f).Host().(*job)
	p.feed.Lock()
	number := j.chunk.number
	p.feed.Unlock()
	result := func(value byte) []byte {
		return envelope.AppendResult(nil, &envelope.Result{Chunk: number, Worker: "w", Items: []envelope.Outcome{{Payload: []byte{value}}, {Payload: []byte{value}}}})
	}
	p.take(result(3), new(receiver))
	p.take(result(4), new(receiver))
	if v, err := f.Result(ctx); v != 3 || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}

func TestLargeArgumentsAndValues(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p := client(t, on(s))
	work(t, s)
	for _, size := range []int{100, 20 << 10, 200 << 10, 3 << 20} {
		in := strings.Repeat("x", size)
		if v, err := same.Submit(ctx, p, in).Result(ctx); v != in || err != nil {
			t.Errorf("%d bytes: %d, %v", size, len(v), err)
		}
	}
	waitFor(t, "blobs are removed", func() bool { return stored(t, p, p.conn.Names.Blobs()) == 0 })
}

var same = futures.Define("client.same", func(_ context.Context, s string) (string, error) { return s, nil })

func TestOptions(t *testing.T) {
	s := newServer(t, ServerOptions{})
	for what, o := range map[string]Options{
		"negative Queue":     {Queue: -1},
		"negative Workers":   {Workers: -1},
		"6 Replicas":         {Replicas: 6},
		"negative MaxStored": {MaxStored: -1},
		"negative Lease":     {Lease: -1},
		"negative ResultTTL": {ResultTTL: -1},
		"QueueName":          {QueueName: "a.b"},
		"namespace":          {Connection: Connection{Namespace: "a b"}},
		"StoreDir":           {Connection: Connection{Server: s}, StoreDir: "x"},
		"both URL":           {Connection: Connection{Server: s, URL: "nats://127.0.0.1:1"}},
		"nats://127.0.0.1:1": {Connection: Connection{URL: "nats://127.0.0.1:1"}},
	} {
		p, err := Connect(t.Context(), o)
		if err == nil {
			p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), what) || !strings.HasPrefix(err.Error(), "cluster.Connect: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestManyQueued: CL8, a client of 100,000 tasks that wait on the server.
func TestManyQueued(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: 100,000 tasks")
	}
	ctx := t.Context()
	before := heap()
	s, err := StartServer(ServerOptions{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	o := on(s)
	o.Queue = 200_000
	p := client(t, o)
	const n = 100_000
	fs := make([]*futures.Future[int], n)
	for i := range fs {
		fs[i] = twice.Submit(ctx, p, i)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // so that its memory is not counted
		t.Fatal(err)
	}
	used := heap() - before
	t.Logf("%d bytes a task, its future included", used/n)
	if used > 60_000_000 {
		t.Errorf("%d bytes for %d tasks, at most 60 MB", used, n)
	}
	runtime.KeepAlive(fs)
}

// TestShutdownOfMany: what no worker has begun is cancelled at once, and removed.
func TestShutdownOfMany(t *testing.T) {
	ctx := t.Context()
	s := newServer(t, ServerOptions{})
	p, other := client(t, on(s)), client(t, on(s))
	fs := make([]*futures.Future[int], 5000)
	for i := range fs {
		fs[i] = twice.Submit(ctx, p, i)
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Shutdown(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "5000 queued and 0 running") {
		t.Errorf("Shutdown: %v", err)
	}
	for _, f := range fs {
		if f.State() != futures.Cancelled {
			t.Fatalf("state %v", f.State())
		}
	}
	if n := stored(t, other, other.conn.Names.Tasks()); n != 1 {
		t.Errorf("%d messages are left besides the other pool's sentinel", n-1)
	}
}

// TestWorkersEnd: a pool whose own workers have ended is broken and says why.
func TestWorkersEnd(t *testing.T) {
	ctx := t.Context()
	ex := gopool.New(gopool.Options{Workers: 1})
	p := client(t, Options{Executor: ex})
	if v, err := twice.Submit(ctx, p, 1).Result(ctx); v != 2 || err != nil {
		t.Fatalf("got %v, %v", v, err)
	}
	ex.Close()
	if _, err := twice.Submit(ctx, p, 1).Result(ctx); !errors.Is(err, futures.ErrBroken) {
		t.Errorf("got %v", err)
	}
	waitFor(t, "refused at once", func() bool { return errors.Is(twice.Submit(ctx, p, 1).Err(), futures.ErrBroken) })
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
