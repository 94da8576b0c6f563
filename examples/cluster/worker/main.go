// Worker runs tasks of a cluster until it is told to stop; then it finishes what it has.
//
//	go run ./examples/cluster/worker -url nats://127.0.0.1:4222 -workers 2
//
// With -processes it runs them in worker processes, so that a task can crash, hang or eat
// memory and hurts nobody but itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/examples/cluster/primes"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/procpool"
)

func main() {
	procpool.ServeIfWorker()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	connection := primes.Flags(flag.CommandLine)
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "how many tasks at the same time")
	processes := flag.Bool("processes", false, "run each in a process")
	lease := flag.Duration("lease", 30*time.Second, "after how long without a sign of life others may take over its tasks")
	flag.Parse()

	var executor futures.Executor = gopool.New(gopool.Options{Workers: *workers})
	if *processes {
		var err error
		if executor, err = procpool.New(procpool.Options{Workers: *workers}); err != nil {
			return err
		}
	}
	fmt.Println("worker", os.Getpid(), "serves", connection.URL)
	err := cluster.Serve(ctx, cluster.ServeOptions{Connection: *connection, Executor: executor, Lease: *lease})
	return errors.Join(err, executor.Close())
}
