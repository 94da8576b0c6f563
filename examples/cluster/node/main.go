// Node is one server of a cluster of three, which keep each task three times.
//
//	go run ./examples/cluster/node -name a -listen 127.0.0.1:4222 -peer 127.0.0.1:6222 \
//		-peers 127.0.0.1:6222,127.0.0.1:6223,127.0.0.1:6224 -dir /var/lib/futures/a
//
// A real cluster may as well be made of nats-server processes: see docs/guide/cluster.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/futures-go/futures/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "node:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	name := flag.String("name", "", "the node's name, the same each time it is started")
	listen := flag.String("listen", "127.0.0.1:4222", "address for clients and workers")
	peer := flag.String("peer", "127.0.0.1:6222", "address for the other nodes")
	peers := flag.String("peers", "", "the -peer addresses of all nodes, with commas between them")
	dir := flag.String("dir", "", "folder for what is stored")
	flag.Parse()
	server, err := cluster.StartServer(cluster.ServerOptions{
		Name: *name, StoreDir: *dir, Listen: *listen, Durability: cluster.Process, // the other nodes have it too
		Peers: &cluster.Peers{Name: "primes", Listen: *peer, Routes: strings.Split(*peers, ",")},
	})
	if err != nil {
		return err
	}
	fmt.Println("node", *name, "listens at", server.URL())
	<-ctx.Done()
	return server.Close()
}
