package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"

	"github.com/futures-go/futures/cluster"
)

// startNodes starts three nodes, until the test ends, and returns their URLs.
func startNodes(t *testing.T) (urls []string) {
	t.Helper()
	var routes []string
	var listeners []net.Listener
	for range 3 { // all know all before they are there
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes, listeners = append(routes, l.Addr().String()), append(listeners, l)
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	for i, route := range routes {
		s, err := cluster.StartServer(cluster.ServerOptions{
			Name: fmt.Sprint("node", i), StoreDir: t.TempDir(), Durability: cluster.Process, Listen: "127.0.0.1:0",
			Peers: &cluster.Peers{Name: "conformance", Listen: route, Routes: routes}, Logger: quiet,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		urls = append(urls, s.URL())
	}
	return urls
}

// TestConformanceOnThreeNodes runs the suite with three replicas of everything. It takes a minute or
// more, so it runs in CI and where FUTURES_NODES is set.
func TestConformanceOnThreeNodes(t *testing.T) {
	t.Parallel()
	if os.Getenv("FUTURES_CI") == "" && os.Getenv("FUTURES_NODES") == "" {
		t.Skip("it takes a minute: set FUTURES_NODES=1; TestNodeKilled has three nodes too")
	}
	urls := startNodes(t)
	var mu sync.Mutex
	var free []string // queues that nobody uses: each has consumers on all nodes
	queues, pools := 0, 0
	var workers sync.WaitGroup
	defer workers.Wait()
	failed := func(err error) { t.Error(err) }
	// Each priority has a consumer, with a leader on a node of its own: that there is nothing urgent
	// one may say before it knows of what is stored. So there is no order among them.
	const priorities = false
	conformance(t, priorities, func(t testing.TB, o cluster.Options) *cluster.Pool {
		// A pool is on the node of its worker, and streams on any: between two nodes a task may begin
		// whose Cancel returns true.
		url := urls[pools%len(urls)]
		pools++
		mu.Lock()
		if len(free) == 0 {
			free = append(free, fmt.Sprint("q", queues))
			queues++
		}
		queue := free[len(free)-1]
		free = free[:len(free)-1]
		mu.Unlock()
		// A worker of several servers waits for seconds when it ends. So it is not the pool's, and the
		// next test does not wait for it.
		ctx, stop := context.WithCancel(context.Background())
		t.Cleanup(stop)
		serve := cluster.ServeOptions{Connection: cluster.Connection{URL: url}, Queues: []string{queue}, Workers: o.Workers, Logger: quiet}
		workers.Go(func() {
			if err := cluster.Serve(ctx, serve); err != nil && !errors.Is(err, context.Canceled) {
				failed(err)
			}
			mu.Lock()
			free = append(free, queue)
			mu.Unlock()
		})
		o.URL, o.QueueName, o.Replicas, o.Workers = url, queue, 3, 0
		return open(t, o)
	})
}
