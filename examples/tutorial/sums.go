package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

var errNegative = errors.New("cannot sum up to a negative number")

// sum adds the numbers below n. It has a name, so that later parts can run the
// very same function in other processes.
var sum = futures.Define("tutorial.sum", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 0, fmt.Errorf("%w: %d", errNegative, n)
	}
	total := 0
	for i := range n {
		total += i
	}
	return total, nil
})

// A result and an error come from one place, Result, whatever went wrong: the
// function, a panic, a closed pool. Python raises there instead.
func sums(ctx context.Context, out io.Writer) error {
	var log bytes.Buffer
	pool := gopool.New(gopool.Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const n = 10_000_000
	var fs []*futures.Future[int]
	for _, upTo := range []int{n, n + 1000, n + 2000, -1} {
		fs = append(fs, sum.Submit(ctx, pool, upTo))
	}
	for _, f := range fs {
		switch total, err := f.Result(ctx); {
		case errors.Is(err, errNegative):
			fmt.Fprintln(out, "an error of ours:", err)
		case err != nil:
			return err
		default:
			fmt.Fprintln(out, "sum:", total)
		}
	}

	// Nobody looks at this one. It is not lost: Close logs it.
	sum.Submit(ctx, pool, -2)
	if err := pool.Close(); err != nil {
		return err
	}
	_, text, _ := strings.Cut(strings.TrimSpace(log.String()), "msg=")
	fmt.Fprintln(out, "logged at Close:", text)

	late := sum.Submit(ctx, pool, 1)
	fmt.Fprintln(out, "after Close:", late.Err())
	return nil
}
