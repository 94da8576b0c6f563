package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
)

var empty = futures.Define("bench.empty", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// BenchmarkRoundTrip asks how long a task of 64 bytes takes that does nothing, and how many
// of them there are a second, with so many in flight. Results are stored. Server, client and
// workers are in this process.
func BenchmarkRoundTrip(b *testing.B) {
	for _, d := range []cluster.Durability{cluster.Process, cluster.Disk} {
		for _, inFlight := range []int{1, 64, 1024} {
			b.Run(fmt.Sprintf("%v/%d", d, inFlight), func(b *testing.B) {
				p := open(b, cluster.Options{Durability: d})
				roundTrips(b, p, inFlight, 64)
			})
		}
	}
}

// roundTrips measures so many callers that submit a task and wait for it.
func roundTrips(b *testing.B, p *cluster.Pool, inFlight, size int) {
	ctx := context.Background()
	argument := make([]byte, size)
	run := func(n int) []time.Duration {
		took := make([]time.Duration, n)
		var wg sync.WaitGroup
		for g := range inFlight {
			wg.Go(func() {
				for i := g; i < n; i += inFlight {
					began := time.Now()
					if _, err := empty.Submit(ctx, p, argument).Result(ctx); err != nil {
						b.Error(err)
						return
					}
					took[i] = time.Since(began)
				}
			})
		}
		wg.Wait()
		return took
	}
	run(4 * inFlight) // the pool learns that they are short
	b.ReportAllocs()
	b.ResetTimer()
	took := run(b.N)
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1e3, "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1e3, "p99-us")
}
