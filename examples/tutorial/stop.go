package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// A task is stopped through its context: one that waits for it, or passes it on
// to what it calls, ends at once. Python cannot stop a task that runs.
func stop(ctx context.Context, out io.Writer) error {
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	forever := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}

	running := futures.Submit(ctx, pool, forever)
	queued := futures.Submit(ctx, pool, forever)
	fmt.Fprintf(out, "cancel a queued one: %v, it is %v\n", queued.Cancel(), queued.State())
	running.Cancel()
	_, err := running.Result(ctx)
	fmt.Fprintf(out, "cancel the other: it is %v with %q\n", running.State(), err)

	_, err = futures.Submit(ctx, pool, forever, futures.Timeout(20*time.Millisecond)).Result(ctx)
	fmt.Fprintf(out, "time out: ErrTimeout is %v\n", errors.Is(err, futures.ErrTimeout))

	within, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	waited := futures.Submit(ctx, pool, forever)
	_, err = waited.Result(within)
	fmt.Fprintf(out, "stop waiting: %q, the task is %v\n", err, waited.State())
	waited.Cancel()

	tries := 0
	third, err := futures.Submit(ctx, pool, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("bad luck")
		}
		return fmt.Sprintf("attempt %d went well", tries), nil
	}, futures.Retry(futures.RetryPolicy{Max: 5, Backoff: time.Millisecond})).Result(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "try again:", third)
	return nil
}
