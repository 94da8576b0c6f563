package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/futures-go/futures/cluster/internal/certtest"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// routesOf returns addresses for the routes of so many nodes. Their ports are below those that a
// system gives to connections, as a node that is started again needs the one it had, which anybody
// could be given meanwhile.
func routesOf(t testing.TB, nodes int) (all []string) {
	t.Helper()
	for tries := 0; len(all) < nodes; tries++ {
		l, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(10_000)))
		if err != nil && tries > 100 {
			t.Fatal(err)
		}
		if err == nil {
			all = append(all, l.Addr().String())
			defer func() { _ = l.Close() }() // after all are chosen, so that they differ
		}
	}
	return all
}

// peerOptions returns what to start three nodes of a cluster with. Their routes are
// known before they listen, so their ports are chosen here.
func peerOptions(t testing.TB) (all [3]ServerOptions) {
	t.Helper()
	routes := routesOf(t, len(all))
	for i := range all {
		all[i] = ServerOptions{
			Name:       fmt.Sprint("node", i),
			StoreDir:   t.TempDir(),
			Durability: Process,
			Listen:     "127.0.0.1:0",
			Peers:      &Peers{Name: "test", Listen: routes[i], Routes: routes, User: "node", Password: "secret"},
			Logger:     quiet,
		}
	}
	return all
}

// TestPeers has three nodes keep what was stored while each of them is away once, and
// take more when two are there.
func TestPeers(t *testing.T) {
	t.Parallel()
	options := peerOptions(t)
	var nodes [len(options)]*Server
	var urls []string
	for i := range nodes {
		nodes[i] = startServer(t, options[i])
		urls = append(urls, nodes[i].URL())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*serverPatience)
	defer cancel()
	conn := connectTo(t, Connection{URL: strings.Join(urls, ",")}, stream.Client)
	if err := conn.Setup(ctx, stream.Layout{Replicas: 3, Queues: []string{"q"}}); err != nil {
		t.Fatal(err)
	}
	publisher, err := conn.NewPublisher()
	if err != nil {
		t.Fatal(err)
	}
	const each = 50
	outcomes := make(chan error, 10*each)
	sent := 0
	more := func() {
		t.Helper()
		for range each {
			sent++
			err := publisher.Publish(conn.Names.Task("q", 1, "me", uint64(sent), -1), fmt.Sprint(sent), nil, []byte("x"), func(_ uint64, err error) { outcomes <- err })
			if err != nil {
				t.Fatal(err)
			}
		}
		for range each {
			if err := within(t, outcomes); err != nil {
				t.Error(err)
			}
		}
	}
	more()
	for i := range nodes {
		if err := nodes[i].Close(); err != nil {
			t.Error(err)
		}
		more() // with two of three
		nodes[i] = startServer(t, options[i])
		// The next one may go only when this one has what it missed.
		for !caughtUp(ctx, conn, len(nodes)) {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				t.Fatalf("node %d does not catch up", i)
			}
		}
	}

	come := make(chan *stream.Message, 10*each)
	puller, err := conn.NewPuller(stream.PullerConfig{
		Stream: conn.Names.Tasks(), Consumer: conn.Names.Consumer("q", 1),
		Message: func(m *stream.Message) { come <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer puller.Stop()
	puller.Request(sent + 1)
	seen := make(map[string]bool)
	for len(seen) < sent {
		m := within(t, come)
		if seen[m.Subject] {
			t.Errorf("%s has come again", m.Subject)
		}
		seen[m.Subject] = true
		if err := m.AckSync(ctx); err != nil {
			t.Error(err)
		}
	}
}

// caughtUp reports whether so many nodes have all streams, and everything in them.
func caughtUp(ctx context.Context, conn *stream.Conn, nodes int) bool {
	for _, name := range streamsOf(conn.Names) {
		if !replicated(ctx, conn, name, nodes) {
			return false
		}
	}
	return true
}

func streamsOf(n stream.Names) []string {
	return []string{n.Tasks(), n.Results(), n.Later(), n.Dead(), n.Blobs(), "KV_" + n.Workers()}
}

// replicated reports whether so many nodes have everything of a stream, or nearly so: it may go on.
func replicated(ctx context.Context, conn *stream.Conn, name string, nodes int) bool {
	have := membersOf(ctx, conn, name)
	if have == nil || have.Leader == "" {
		return false
	}
	for _, r := range have.Replicas {
		if !r.Current || r.Offline {
			return false
		}
	}
	return len(have.Replicas) == nodes-1
}

// membersOf returns the nodes that have a stream, or nil: while they elect a leader nobody may answer,
// not even later.
func membersOf(ctx context.Context, conn *stream.Conn, name string) *jetstream.ClusterInfo {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	s, err := conn.JS.Stream(ctx, name)
	if err != nil {
		return nil
	}
	return s.CachedInfo().Cluster
}

// TestPeerComesLate has a client want more replicas than there are nodes, and a node come
// meanwhile.
func TestPeerComesLate(t *testing.T) {
	t.Parallel()
	options := peerOptions(t)
	first := startServer(t, options[0])
	for _, o := range options[1:] {
		startServer(t, o)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*serverPatience)
	defer cancel()
	conn := connectTo(t, Connection{URL: first.URL()}, stream.Client)
	waitFor(t, "too few nodes", func() bool {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		err := conn.Setup(short, stream.Layout{Replicas: len(options) + 1})
		return err != nil && strings.Contains(err.Error(), "no suitable peers")
	})
	made := make(chan error, 1)
	go func() { made <- conn.Setup(ctx, stream.Layout{Replicas: len(options) + 1}) }()
	another := peerOptions(t)[0]
	another.Name, another.Peers.Routes = "another", options[0].Peers.Routes
	startServer(t, another)
	if err := within(t, made); err != nil {
		t.Error(err)
	}
	waitFor(t, "all nodes to have all", func() bool { return caughtUp(ctx, conn, len(options)+1) })
}

// TestPeersOverTLS has nodes that talk to each other over TLS take in one another, and not one
// that does not.
func TestPeersOverTLS(t *testing.T) {
	t.Parallel()
	server, client := certtest.New(t)
	config := &tls.Config{Certificates: server.Certificates, RootCAs: client.RootCAs, MinVersion: tls.VersionTLS13}
	options := peerOptions(t)
	var urls []string
	for i := range options {
		options[i].Peers.TLS = config
		urls = append(urls, startServer(t, options[i]).URL())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*serverPatience)
	defer cancel()
	conn := connectTo(t, Connection{URL: strings.Join(urls, ",")}, stream.Client)
	if err := conn.Setup(ctx, stream.Layout{Replicas: 3}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "all nodes to have all", func() bool { return caughtUp(ctx, conn, len(options)) })

	plain := peerOptions(t)[0]
	plain.Name, plain.Peers.Routes = "plain", options[0].Peers.Routes
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	alone, err := Connection{URL: startServer(t, plain).URL()}.connect(short, stream.Client, quiet)
	if err == nil {
		alone.Close()
		t.Fatal("a node without TLS was taken in")
	}
	if !strings.Contains(err.Error(), "no leader") {
		t.Error(err)
	}
}

// TestPeerRefused has a node with the wrong password stay alone.
func TestPeerRefused(t *testing.T) {
	t.Parallel()
	options := peerOptions(t)
	options[1].Peers.Password = "guessed"
	first := startServer(t, options[0])
	startServer(t, options[1])
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := Connection{URL: first.URL()}.connect(ctx, stream.Client, quiet)
	if err == nil {
		conn.Close()
		t.Fatal("two nodes of three found each other with different passwords")
	}
	if !strings.Contains(err.Error(), "no leader") || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
