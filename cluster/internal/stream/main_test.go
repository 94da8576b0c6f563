package stream

import (
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures/cluster/internal/engine"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) {
	leakcheck.Main(m)
}

// patience bounds each wait for what must happen.
const patience = 30 * time.Second

// A node is a server that can be stopped and started again, with what it stored.
type node struct {
	*engine.Engine
	pipes   *Pipes
	options server.Options
}

// startNode starts a server that listens on a free port, until the test ends.
func startNode(t testing.TB, change func(*server.Options)) *node {
	t.Helper()
	n := &node{options: server.Options{
		ServerName: "test",
		Host:       "127.0.0.1",
		Port:       server.RANDOM_PORT,
		NoSigs:     true,
		NoLog:      true,
		JetStream:  true,
		StoreDir:   t.TempDir(),
	}}
	if change != nil {
		change(&n.options)
	}
	n.start(t)
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) start(t testing.TB) {
	t.Helper()
	options := n.options
	e, err := engine.Start(&options, silent{})
	if err != nil {
		t.Fatal(err)
	}
	n.Engine, n.pipes = e, NewPipes(e)
	if !options.DontListen {
		n.options.Port = options.Port // the same one after a restart
	}
}

func (n *node) stop() {
	n.Stop()
	n.pipes.Wait()
}

func (n *node) restart(t testing.TB) {
	t.Helper()
	n.stop()
	n.start(t)
}

// silent is a log that nobody reads.
type silent struct{}

func (silent) Noticef(string, ...any) {}
func (silent) Warnf(string, ...any)   {}
func (silent) Fatalf(string, ...any)  {}
func (silent) Errorf(string, ...any)  {}
func (silent) Debugf(string, ...any)  {}
func (silent) Tracef(string, ...any)  {}

// connect connects as a client, until the test ends.
func (n *node) connect(t testing.TB, change func(*Config)) *Conn {
	t.Helper()
	config := Config{URL: n.ClientURL(), Role: Client, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&config)
	}
	c, err := Connect(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// setup makes the streams, and the consumers of a queue.
func setup(t testing.TB, c *Conn, l Layout) {
	t.Helper()
	if l.Queues == nil {
		l.Queues = []string{Default}
	}
	if err := c.Setup(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}

// an answer is what a done function was called with.
type answer[T any] struct {
	value T
	err   error
}

// await waits for one call of the function that start is given.
func await[T any](t testing.TB, start func(done func(T, error))) (T, error) {
	t.Helper()
	answers := make(chan answer[T], 2)
	start(func(v T, err error) { answers <- answer[T]{v, err} })
	a := receive(t, answers)
	return a.value, a.err
}

func receive[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// publish stores a message and returns its sequence number.
func publish(t testing.TB, p *Publisher, subject, id, data string) uint64 {
	t.Helper()
	seq, err := await(t, func(done func(uint64, error)) {
		if err := p.Publish(subject, id, nats.Header{}, []byte(data), done); err != nil {
			done(0, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func newPublisher(t testing.TB, c *Conn) *Publisher {
	t.Helper()
	p, err := c.NewPublisher()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// until polls for a state.
func until(t testing.TB, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: not yet: %s", patience, what)
		}
	}
}
