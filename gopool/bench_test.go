package gopool_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// The question of each benchmark stands above it. Columns of one question are
// sub-benchmarks, so that a run with -count interleaves nothing but compares them
// on one machine within seconds; bench/ repeats and interleaves them.

const inFlight = 4096

func empty(context.Context) (int, error) { return 1, nil }

type job struct {
	fn     func(context.Context) (int, error)
	result chan int
}

// What does a task with a future cost when many are in flight, on two workers?
func BenchmarkSubmitResult(b *testing.B) {
	ctx := context.Background()
	b.Run("gopool", func(b *testing.B) {
		pool := gopool.New(gopool.Options{Workers: 2, Queue: inFlight})
		defer pool.Close()
		fs := make([]*futures.Future[int], inFlight)
		b.ReportAllocs()
		for n := 0; n < b.N; n += inFlight {
			k := min(inFlight, b.N-n)
			for i := range k {
				fs[i] = futures.Submit(ctx, pool, empty)
			}
			for i := range k {
				fs[i].Result(ctx)
			}
		}
	})
	b.Run("channel-workers", func(b *testing.B) {
		jobs := make(chan job, 1024)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for j := range jobs {
					v, _ := j.fn(ctx)
					j.result <- v
				}
			})
		}
		results := make([]chan int, inFlight)
		b.ReportAllocs()
		for n := 0; n < b.N; n += inFlight {
			k := min(inFlight, b.N-n)
			for i := range k {
				results[i] = make(chan int, 1)
				jobs <- job{empty, results[i]}
			}
			for i := range k {
				<-results[i]
			}
		}
		close(jobs)
		wg.Wait()
	})
	b.Run("go", func(b *testing.B) {
		results := make([]chan int, inFlight)
		b.ReportAllocs()
		for n := 0; n < b.N; n += inFlight {
			k := min(inFlight, b.N-n)
			for i := range k {
				c := make(chan int, 1)
				results[i] = c
				go func() { v, _ := empty(ctx); c <- v }()
			}
			for i := range k {
				<-results[i]
			}
		}
	})
}

// What does a task cost whose outcome nobody reads?
func BenchmarkFireAndForget(b *testing.B) {
	ctx := context.Background()
	b.Run("gopool", func(b *testing.B) {
		pool := gopool.New(gopool.Options{Workers: 2, Queue: 1024})
		b.ReportAllocs()
		for range b.N {
			futures.Submit(ctx, pool, empty)
		}
		pool.Close()
	})
	b.Run("channel-workers", func(b *testing.B) {
		jobs := make(chan func(context.Context) (int, error), 1024)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for fn := range jobs {
					fn(ctx)
				}
			})
		}
		b.ReportAllocs()
		for range b.N {
			jobs <- empty
		}
		close(jobs)
		wg.Wait()
	})
}

// How long from Submit to Result, one at a time, on an idle pool?
func BenchmarkRoundTrip(b *testing.B) {
	ctx := context.Background()
	b.Run("gopool", func(b *testing.B) {
		pool := gopool.New(gopool.Options{Workers: 2})
		defer pool.Close()
		measure(b, func() { futures.Submit(ctx, pool, empty).Result(ctx) })
	})
	b.Run("go", func(b *testing.B) {
		measure(b, func() {
			c := make(chan int, 1)
			go func() { v, _ := empty(ctx); c <- v }()
			<-c
		})
	})
}

// measure reports the median of single runs.
func measure(b *testing.B, run func()) {
	b.ReportAllocs()
	times := make([]time.Duration, 0, b.N)
	for range b.N {
		began := time.Now()
		run()
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2]), "p50-ns")
	b.ReportMetric(float64(times[len(times)*99/100]), "p99-ns")
}

// opaque is a function that the compiler cannot inline into a hand-written loop,
// because neither can a library's.
var opaque = func(_ context.Context, n int) (int, error) { return 2 * n, nil }

// What does one item of a Map cost that does next to nothing?
func BenchmarkMap(b *testing.B) {
	ctx := context.Background()
	const items = 1_000_000
	inputs := make([]int, items)
	for i := range inputs {
		inputs[i] = i
	}
	double := opaque
	perItem := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/items, "ns/item")
	}
	b.Run("Map", func(b *testing.B) {
		pool := gopool.New(gopool.Options{Workers: 2})
		defer pool.Close()
		for range b.N {
			sum := 0
			for v, err := range futures.Map(ctx, pool, slices.Values(inputs), double) {
				if err != nil {
					b.Fatal(err)
				}
				sum += v
			}
			if sum != items*(items-1) {
				b.Fatal(sum)
			}
		}
		perItem(b)
	})
	b.Run("MapSlice", func(b *testing.B) {
		pool := gopool.New(gopool.Options{Workers: 2})
		defer pool.Close()
		for range b.N {
			out, err := futures.MapSlice(ctx, pool, inputs, double)
			if err != nil || out[items-1] != 2*(items-1) {
				b.Fatal(err)
			}
		}
		perItem(b)
	})
	b.Run("hand-chunked", func(b *testing.B) {
		for range b.N {
			out := make([]int, items)
			var wg sync.WaitGroup
			for half := range 2 {
				wg.Go(func() {
					from, to := half*items/2, (half+1)*items/2
					for i := from; i < to; i++ {
						v, err := double(ctx, inputs[i])
						if err != nil {
							return
						}
						out[i] = v
					}
				})
			}
			wg.Wait()
		}
		perItem(b)
	})
}

// What does a queued task weigh?
func BenchmarkQueuedMemory(b *testing.B) {
	ctx := context.Background()
	const tasks = 1_000_000
	for range b.N {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: tasks + 1})
		release := make(chan struct{})
		futures.Submit(ctx, pool, func(context.Context) (int, error) { <-release; return 0, nil })
		var before, after runtime.MemStats
		fs := make([]*futures.Future[int], tasks)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range fs {
			fs[i] = futures.Submit(ctx, pool, empty)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/tasks, "B/task")
		close(release)
		pool.Close()
		runtime.KeepAlive(fs)
	}
}
