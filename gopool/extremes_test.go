package gopool_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestLargeSizes: a size that a pool cannot have is refused, not taken for another.
func TestLargeSizes(t *testing.T) {
	one := 1 // not a constant, which would not compile where int has 32 bits
	for _, n := range []int{math.MaxInt16, math.MaxInt32, one << 31, one << 32, one<<32 + 1, math.MaxInt} {
		if n < 1 {
			continue
		}
		var pool *gopool.Pool
		func() {
			defer func() { recover() }()
			pool = gopool.New(gopool.Options{Workers: n, Queue: n})
		}()
		if pool != nil && pool.Size() != n {
			t.Errorf("%d workers became %d", n, pool.Size())
		}
		pool = gopool.New(gopool.Options{Workers: 1, Queue: n})
		if err := pool.Resize(n); err == nil && pool.Size() != n || err != nil && pool.Size() != 1 {
			t.Errorf("%d workers became %d: %v", n, pool.Size(), err)
		}
		f := futures.Submit(context.Background(), pool, value(1))
		if pool.Size() < 1 {
			f.Cancel() // it would never run
		} else if v, err := f.Result(context.Background()); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		pool.Close()
	}
}

// TestExtremePriorities: G4.
func TestExtremePriorities(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	task, started, open := gate()
	futures.Submit(ctx, pool, task)
	<-started
	priorities := []int{0, math.MinInt, 5, math.MaxInt, -1, math.MinInt + 1, math.MaxInt, 1, math.MinInt, math.MaxInt - 1, 0}
	var order []int
	for _, p := range priorities {
		futures.Submit(ctx, pool, func(context.Context) (int, error) { order = append(order, p); return 0, nil }, futures.Priority(p))
	}
	open()
	pool.Close()
	slices.Sort(priorities)
	slices.Reverse(priorities)
	if !slices.Equal(order, priorities) {
		t.Errorf("ran %v, want %v", order, priorities)
	}
}
