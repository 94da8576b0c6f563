package engine

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// silent is a log that nobody reads.
type silent struct{ server.Logger }

func (silent) Noticef(string, ...any) {}
func (silent) Warnf(string, ...any)   {}
func (silent) Errorf(string, ...any)  {}

// TestStop stops a server as soon as a stream takes messages from another one, which
// is when the server has something in flight.
func TestStop(t *testing.T) {
	for range 5 {
		e, err := Start(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}, silent{})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect("", nats.InProcessServer(e))
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		for _, s := range []jetstream.StreamConfig{
			{Name: "A", Subjects: []string{"a"}},
			{Name: "B", Subjects: []string{"b"}, Sources: []*jetstream.StreamSource{{Name: "A"}}},
		} {
			if _, err := js.CreateStream(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		nc.Close()
		if !e.unsettled() {
			t.Log("it is connected already")
		}
		e.Stop()
		e.Stop()
	}
}

func TestStartFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	port := l.Addr().(*net.TCPAddr).Port
	_, err = Start(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, StoreDir: t.TempDir()}, silent{})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("%v", err)
	}
	if _, err := Start(&server.Options{ServerName: "a b", NoSigs: true, StoreDir: t.TempDir()}, silent{}); err == nil {
		t.Error("a malformed name")
	}
}
