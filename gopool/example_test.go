package gopool_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
)

func ExampleNew() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 3, Queue: 100, Name: "thumbnails"})
	defer pool.Close()
	f := futures.Submit(ctx, pool, func(context.Context) (string, error) { return pool.Name(), nil })
	fmt.Println(f.Result(ctx))
	// Output: thumbnails <nil>
}

// Each worker has a connection of its own, found by the worker's number.
func ExampleWorker() {
	ctx := context.Background()
	connections := make([]string, 2)
	pool := gopool.New(gopool.Options{
		Workers: len(connections),
		Init: func(_ context.Context, worker int) error {
			connections[worker] = fmt.Sprint("connection ", worker)
			return nil
		},
	})
	defer pool.Close()
	fmt.Println(futures.Submit(ctx, pool, func(ctx context.Context) (string, error) {
		worker, _ := gopool.Worker(ctx)
		return connections[worker], nil
	}).Result(ctx))
	// Output: connection 0 <nil>
}

func ExamplePool_Close() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	f := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil })
	pool.Close() // takes no more, finishes everything
	fmt.Println(f.TryResult())
	// Output: 1 <nil> true
}

func ExamplePool_Shutdown() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	f := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ctx.Done() // for as long as it is let
		return 0, ctx.Err()
	})
	within, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	err := pool.Shutdown(within)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	pool.Close()
	fmt.Println(f.State())
	// Output:
	// true
	// cancelled
}

func ExamplePool_Resize() {
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	fmt.Println(pool.Resize(8), pool.Size())
	fmt.Println(pool.Resize(-1))
	// Output:
	// <nil> 8
	// gopool.Resize: -1 workers, must be positive
}

var double = futures.Define("example.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

func ExamplePool_Inspect() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 4})
	for n := range 10 {
		double.Submit(ctx, pool, n)
	}
	pool.Close()
	s := pool.Inspect()
	fmt.Println(s.Functions["example.double"].Succeeded, "succeeded,", s.Queued, "queued")
	// Output: 10 succeeded, 0 queued
}

func ExamplePool_Listen() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	stop := pool.Listen(func(e inspect.Event) {
		if e.Kind == inspect.TaskQueued || e.Kind == inspect.TaskStarted {
			fmt.Println(e.Kind)
		}
	})
	futures.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil }).Result(ctx)
	stop()
	// Output:
	// task queued
	// task started
}
