package main

import (
	"context"
	"fmt"
	"io"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// A map reads no more inputs than its window ahead of the results that are taken,
// so that the inputs may be endless. Leaving the loop cancels the rest.
func lazyMap(ctx context.Context, out io.Writer) error {
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	read := 0
	naturals := func(yield func(int) bool) {
		for n := 0; ; n++ {
			read++
			if !yield(n) {
				return
			}
		}
	}
	total := 0
	for square, err := range futures.Map(ctx, pool, naturals, func(_ context.Context, n int) (int, error) {
		return n * n, nil
	}, futures.Window(8)) {
		if err != nil {
			return err
		}
		if square > 10_000 {
			fmt.Fprintf(out, "the first square above 10000 is %d\n", square)
			break
		}
		total += square
	}
	fmt.Fprintf(out, "those before it sum up to %d; %d numbers were read\n", total, read)
	return nil
}
