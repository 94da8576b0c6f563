package cluster_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/futures-go/futures/cluster"
)

func ExampleStartServer() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	server, err := cluster.StartServer(cluster.ServerOptions{
		StoreDir: filepath.Join(dir, "store"),
		Listen:   "127.0.0.1:0",
	})
	if err != nil {
		log.Fatal(err)
	}
	pool, err := cluster.Connect(context.Background(), cluster.Options{
		Connection: cluster.Connection{URL: server.URL()},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pool.Close(), server.Close())
	// Output: <nil> <nil>
}

// startNode starts a node of a cluster of three.
func startNode(name string, certificate tls.Certificate, password string) (*cluster.Server, error) {
	return cluster.StartServer(cluster.ServerOptions{
		Name:       name, // "a", "b" or "c": it stays the same when the node is started again
		StoreDir:   "/var/lib/futures",
		Durability: cluster.Process,
		Listen:     ":4222",
		TLS:        &tls.Config{Certificates: []tls.Certificate{certificate}},
		Users: []cluster.User{
			{Name: "shop", Password: password, Role: cluster.ClientRole},
			{Name: "machines", Password: password, Role: cluster.WorkerRole},
		},
		Peers: &cluster.Peers{
			Name:     "futures",
			Listen:   ":6222",
			Routes:   []string{"a.internal:6222", "b.internal:6222", "c.internal:6222"},
			User:     "node",
			Password: password,
		},
	})
}

// connectToNodes connects to whichever of the nodes is there.
func connectToNodes(ctx context.Context, password string) (*cluster.Pool, error) {
	return cluster.Connect(ctx, cluster.Options{
		Connection: cluster.Connection{
			URL:      "tls://a.internal,tls://b.internal,tls://c.internal",
			User:     "shop",
			Password: password,
		},
		Replicas: 3,
	})
}

var _, _ = startNode, connectToNodes // the guide shows them
