package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// TestServerRestarts: a worker goes on while there is no server, and its result arrives when
// there is one again.
func TestServerRestarts(t *testing.T) {
	ctx := t.Context()
	o := ServerOptions{Name: "restarts", StoreDir: t.TempDir(), Durability: Process, Listen: "127.0.0.1:0", Logger: quiet}
	server, err := StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Listen = server.URL()[len("nats://"):]
	s := connectScript(t, server, Connection{URL: server.URL()}, time.Minute, false)
	within, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(within, ServeOptions{Connection: Connection{URL: server.URL()}, Workers: 2, Logger: quiet})
	}()
	s.send(1, 1, call(0, gate, s.gate("restart")))
	<-gates.of(s.gate("restart")).begun
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	close(gates.of(s.gate("restart")).leave)
	if server, err = StartServer(o); err != nil {
		t.Fatal(err)
	}
	defer func() {
		s.conn.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}()
	var r envelope.Result
	waitFor(t, "the result", func() bool {
		stored, err := s.conn.GetLast(ctx, s.conn.Names.Results(), s.conn.Names.Result(s.client, "o", 1, envelope.Whole))
		return err == nil && envelope.ParseResult(stored.Data, &r) == nil
	})
	if value[string](t, r.Items[0]) != s.gate("restart") {
		t.Errorf("got %+v", r)
	}
	s.send(2, 1, call(0, double, 4))
	if o, _ := s.outcome(2); value[int](t, o) != 8 {
		t.Errorf("afterwards: %+v", o)
	}
	s.empty()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestWorkersAreKilled: with workers killed at random every task has an outcome, the right
// one unless its workers were lost too often (CL2), and nothing is left on the server. FUTURES_SEED
// repeats the order of a run.
func TestWorkersAreKilled(t *testing.T) {
	t.Parallel()
	const tasks, workers, kills = 4000, 3, 8
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FUTURES_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("FUTURES_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newScript(t, shortLease)
	p, err := Connect(t.Context(), Options{Connection: Connection{Server: s.server}, Queue: 512, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var kill [workers]func()
	for i := range kill {
		kill[i] = s.workerProcess()
	}
	var fs []*futures.Future[int]
	for i := range tasks {
		if i%(tasks/kills) == tasks/kills/2 {
			victim := random.IntN(workers)
			kill[victim]()
			kill[victim] = s.workerProcess()
		}
		fs = append(fs, double.Submit(t.Context(), p, i))
	}
	crashes := 0
	for i, f := range fs {
		v, err := f.Result(t.Context())
		if _, crash := errors.AsType[*futures.CrashError](err); crash {
			crashes++
		} else if v != 2*i || err != nil {
			t.Fatalf("task %d: %d, %v", i, v, err)
		}
	}
	t.Logf("%d of %d tasks have lost more workers than they may", crashes, tasks)
	// One that is done can be among them too, if its worker was killed before it said so.
	if n := len(s.letters()); n < crashes {
		t.Errorf("%d dead letters", n)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	s.empty()
}

// TestHeldGoesElsewhere: what a worker was sent and has no slot for does not wait for it, if
// another one has.
func TestHeldGoesElsewhere(t *testing.T) {
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 1})
	s.send(1, 1, call(0, gate, s.gate("held")))
	<-gates.of(s.gate("held")).begun
	s.send(2, 0, call(0, double, 4)) // there is a request of its level
	waitFor(t, "it to be held", func() bool {
		consumer, err := s.conn.JS.Consumer(t.Context(), s.conn.Names.Tasks(), s.conn.Names.Consumer(stream.Default, 0))
		return err == nil && consumer.CachedInfo().Delivered.Stream > 0
	})
	s.serve(ServeOptions{Workers: 1})
	if o, _ := s.outcome(2); value[int](t, o) != 8 {
		t.Errorf("got %+v", o)
	}
	close(gates.of(s.gate("held")).leave)
	s.empty()
}
