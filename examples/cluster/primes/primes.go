// Package primes is what the programs of the example share: the function that runs on the
// cluster, and where that is. A worker runs only what its own program has registered, so
// client and workers import the same package.
package primes

import (
	"context"
	"flag"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
)

// Range is the numbers from From up to and without To.
type Range struct{ From, To uint64 }

// Count counts the primes of a range by trial division, which takes its time.
var Count = futures.Define("primes.count", func(ctx context.Context, r Range) (int, error) {
	n := 0
	for i := r.From; i < r.To; i++ {
		if i%1024 == 0 && ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		if isPrime(i) {
			n++
		}
	}
	return n, nil
})

func isPrime(n uint64) bool {
	if n < 4 {
		return n > 1
	}
	if n%2 == 0 {
		return false
	}
	for d := uint64(3); d*d <= n; d += 2 {
		if n%d == 0 {
			return false
		}
	}
	return true
}

// Sieve counts the primes below n in another way, to check the sum.
func Sieve(n uint64) int {
	composite := make([]bool, n)
	count := 0
	for i := uint64(2); i < n; i++ {
		if composite[i] {
			continue
		}
		count++
		for j := i * i; j < n; j += i {
			composite[j] = true
		}
	}
	return count
}

// Flags adds the switches that say where the cluster is.
func Flags(flags *flag.FlagSet) *cluster.Connection {
	c := new(cluster.Connection)
	flags.StringVar(&c.URL, "url", "nats://127.0.0.1:4222", "addresses of the nodes, with commas between them")
	flags.StringVar(&c.Namespace, "namespace", "primes", "whose tasks are kept apart from others'")
	return c
}
