// Client counts primes on a cluster, checks the sum in another way, and says how the
// tasks went.
//
//	go run ./examples/cluster/client -url nats://127.0.0.1:4222 -below 20000000 -tasks 400
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/examples/cluster/primes"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	connection := primes.Flags(flag.CommandLine)
	below := flag.Uint64("below", 4_000_000, "count the primes below this number")
	tasks := flag.Uint64("tasks", 200, "in how many tasks")
	replicas := flag.Int("replicas", 1, "on how many servers each task is kept")
	flag.Parse()
	if *tasks == 0 || *tasks > *below {
		return errors.New("-tasks must be between 1 and -below")
	}

	pool, err := cluster.Connect(ctx, cluster.Options{Connection: *connection, Replicas: *replicas})
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // again, if all went well

	began := time.Now()
	var counts []*futures.Future[int]
	for i := range *tasks {
		counts = append(counts, primes.Count.Submit(ctx, pool, primes.Range{From: *below * i / *tasks, To: *below * (i + 1) / *tasks}))
	}
	sum, done := 0, 0
	for f := range futures.AsCompleted(ctx, counts...) {
		n, err := f.Result(ctx)
		if err != nil {
			return fmt.Errorf("after %d of %d tasks: %w", done, *tasks, err)
		}
		sum, done = sum+n, done+1
		if done%(len(counts)/10+1) == 0 {
			fmt.Printf("%d of %d tasks done\n", done, *tasks)
		}
	}
	fmt.Printf("%d primes below %d, in %d tasks and %.1f s\n", sum, *below, *tasks, time.Since(began).Seconds())
	if want := primes.Sieve(*below); sum != want {
		return fmt.Errorf("a sieve finds %d", want)
	}
	return pool.Close()
}
