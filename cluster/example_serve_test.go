package cluster_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/procpool"
)

// A worker program: it runs its functions in processes of their own, until it is told
// to end.
func ExampleServe() {
	procpool.ServeIfWorker() // first line of main

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	procs, err := procpool.New(procpool.Options{MemoryLimit: 1 << 30})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer procs.Close()
	err = cluster.Serve(ctx, cluster.ServeOptions{
		Connection: cluster.Connection{URL: os.Getenv("NATS_URL")},
		Executor:   procs,
	})
	if err != nil {
		fmt.Println(err)
	}
}

// What was given up can be looked at, and queued again once its cause is gone.
func ExamplePool_DeadLetters() {
	ctx := context.Background()
	pool, err := cluster.Connect(ctx, cluster.Options{Connection: cluster.Connection{URL: os.Getenv("NATS_URL")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	for letter, err := range pool.DeadLetters(ctx) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(letter.Time, letter, len(letter.History), "workers were lost")
		if letter.Function == "thumbnail" {
			id, err := pool.Redrive(ctx, letter)
			fmt.Println("queued again as", id, err)
		}
	}
}
