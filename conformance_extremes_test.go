package futures_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestDelayBounds: whatever a policy says, the wait is neither negative nor longer
// than MaxBackoff, and what does not wait for the first retry never waits.
func TestDelayBounds(t *testing.T) {
	for _, p := range []futures.RetryPolicy{
		{},
		{Jitter: 1},
		{Backoff: 1, Jitter: 1},
		{Backoff: time.Hour},
		{Backoff: time.Second, Multiplier: 1},
		{Backoff: time.Second, Multiplier: math.MaxFloat64},
		{Backoff: time.Hour, MaxBackoff: math.MaxInt64},
		{Backoff: math.MaxInt64, MaxBackoff: math.MaxInt64},
		{Backoff: math.MaxInt64, MaxBackoff: 1},
	} {
		limit := p.MaxBackoff
		if limit == 0 {
			limit = 30 * time.Second
		}
		for _, n := range []int{1, 2, 3, 30, 64, 100, 1100, math.MaxInt32} {
			if d := p.Delay(n); d < 0 || d > limit || p.Backoff == 0 && d != 0 {
				t.Errorf("%+v: retry %d after %v", p, n, d)
			}
		}
	}
}

// TestLargeMaps: sizes that are as good as none.
func TestLargeMaps(t *testing.T) {
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	for name, opts := range map[string][]futures.MapOption{
		"chunk":                       {futures.Chunk(math.MaxInt)},
		"half a chunk":                {futures.Chunk(math.MaxInt/2 + 1)},
		"window":                      {futures.Window(math.MaxInt)},
		"chunk and window":            {futures.Chunk(math.MaxInt), futures.Window(math.MaxInt)},
		"chunk and window, unordered": {futures.Chunk(math.MaxInt), futures.Window(math.MaxInt), futures.Unordered()},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("Map panics: %v", v)
				}
			}()
			var got []int
			for v, err := range futures.Map(context.Background(), pool, numbers(100), func(_ context.Context, n int) (int, error) { return n, nil }, opts...) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, v)
			}
			slices.Sort(got)
			if want := slices.Collect(numbers(100)); !slices.Equal(got, want) {
				t.Errorf("got %v", got)
			}
		})
	}
}
