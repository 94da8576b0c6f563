package procpool_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

var (
	nothing = futures.Define("bench.nothing", func(context.Context, int64) (int64, error) { return 0, nil })
	echo    = futures.Define("bench.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	list    = futures.Define("bench.list", func(_ context.Context, n int64) ([]int64, error) { return make([]int64, n), nil })
)

func warm(b *testing.B, p *procpool.Pool, n int) {
	b.Helper()
	var fs []*futures.Future[int64]
	for range 64 * n {
		fs = append(fs, nothing.Submit(b.Context(), p, 1))
	}
	if _, err := futures.Gather(b.Context(), fs...); err != nil {
		b.Fatal(err)
	}
}

func modes(b *testing.B, run func(b *testing.B, o procpool.Options)) {
	b.Run("shared", func(b *testing.B) { run(b, procpool.Options{Workers: 2}) })
	b.Run("isolated", func(b *testing.B) { run(b, procpool.Options{Workers: 2, Isolated: true}) })
}

// BenchmarkRoundTrip asks what an empty task costs, one at a time.
func BenchmarkRoundTrip(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		o.Workers = 1
		p := open(b, o)
		warm(b, p, 1)
		ctx := context.Background()
		for b.Loop() {
			if _, err := nothing.Submit(ctx, p, 1).Result(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkBlockingCalls asks how many calls 64 goroutines make that wait for each.
func BenchmarkBlockingCalls(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		p := open(b, o)
		warm(b, p, 2)
		ctx := context.Background()
		var wg sync.WaitGroup
		b.ResetTimer()
		for g := range 64 {
			wg.Go(func() {
				for i := g; i < b.N; i += 64 {
					if _, err := nothing.Submit(ctx, p, 1).Result(ctx); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

// BenchmarkPipelined asks how many tasks there are a second if nobody waits for each: 4
// goroutines with 64 futures each.
func BenchmarkPipelined(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		p := open(b, o)
		warm(b, p, 2)
		ctx := context.Background()
		var wg sync.WaitGroup
		b.ResetTimer()
		for g := range 4 {
			wg.Go(func() {
				var fs [64]*futures.Future[int64]
				for i := g; i < b.N; i += 4 {
					at := i / 4 % len(fs)
					if fs[at] != nil {
						if _, err := fs[at].Result(ctx); err != nil {
							b.Error(err)
						}
					}
					fs[at] = nothing.Submit(ctx, p, 1)
				}
				for _, f := range fs {
					if f != nil {
						_, _ = f.Result(ctx)
					}
				}
			})
		}
		wg.Wait()
	})
}

// BenchmarkEcho asks what bytes cost, 16 in flight.
func BenchmarkEcho(b *testing.B) {
	for name, size := range map[string]int{"1KiB": 1 << 10, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			modes(b, func(b *testing.B, o procpool.Options) {
				p := open(b, o)
				warm(b, p, 2)
				ctx := context.Background()
				buf := make([]byte, size)
				b.SetBytes(int64(size))
				var wg sync.WaitGroup
				b.ResetTimer()
				for g := range 16 {
					wg.Go(func() {
						for i := g; i < b.N; i += 16 {
							if _, err := echo.Submit(ctx, p, buf).Result(ctx); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// BenchmarkLists asks what values of about the size of a slot cost, whose size is known only
// roughly before they are encoded.
func BenchmarkLists(b *testing.B) {
	for _, n := range []int64{10, 30, 100, 1000} {
		b.Run(strconv.FormatInt(n, 10), func(b *testing.B) {
			modes(b, func(b *testing.B, o procpool.Options) {
				o.Workers = 1
				p := open(b, o)
				warm(b, p, 1)
				ctx := context.Background()
				for b.Loop() {
					if _, err := list.Submit(ctx, p, n).Result(ctx); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// BenchmarkMap asks what an item of a Map costs with chunks that the library chooses.
func BenchmarkMap(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		p := open(b, o)
		warm(b, p, 2)
		inputs := func(yield func(int64) bool) {
			for i := range int64(b.N) {
				if !yield(i) {
					return
				}
			}
		}
		b.ResetTimer()
		n := 0
		for _, err := range nothing.Map(context.Background(), p, inputs) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != b.N {
			b.Fatal(n)
		}
	})
}
