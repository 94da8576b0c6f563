package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// Tasks on goroutines share the program's memory. What several of them change
// needs a lock, or is lost: reading a number, adding to it and writing it back
// are three steps, and others come in between.

const (
	counters = 10
	perTask  = 100
	expected = counters * perTask
)

// count has ten tasks add a hundred each.
func count(ctx context.Context, add func()) error {
	pool := gopool.New(gopool.Options{Workers: counters})
	defer pool.Close()
	var fs []*futures.Future[struct{}]
	for range counters {
		fs = append(fs, futures.Submit(ctx, pool, func(context.Context) (struct{}, error) {
			for range perTask {
				add()
			}
			return struct{}{}, nil
		}))
	}
	_, err := futures.Gather(ctx, fs...)
	return err
}

func counter(ctx context.Context, out io.Writer) error {
	var mu sync.Mutex
	locked := 0
	err := count(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		locked++
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "with a lock: %d of %d\n", locked, expected)

	lost, err := loseSome(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, lost)
	return nil
}
