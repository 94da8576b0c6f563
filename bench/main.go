// Bench measures this library beside its peers and beside the bare mechanisms, on
// the machine it runs on, and prints tables.
//
//	go run ./bench [-quick] [-only NAME,...] [-json FILE] [-html FILE] [-install] [-list]
//
// See README.md for how to read what it prints and how to add a peer.
package main

import (
	"os"

	"github.com/futures-go/futures/bench/cluster"
	"github.com/futures-go/futures/bench/goroutines"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/bench/ipc"
	"github.com/futures-go/futures/bench/processes"
	"github.com/futures-go/futures/procpool"
)

// catalog is everything that can be asked.
func catalog() harness.Catalog {
	return harness.Catalog{Groups: []harness.Group{
		goroutines.Group(),
		processes.Group(),
		ipc.Group(),
		cluster.Group(),
	}}
}

func main() {
	procpool.ServeIfWorker()
	all := catalog()
	all.ServeIfChild()
	os.Exit(run(all, os.Args[1:], os.Stdout, os.Stderr))
}
