package gopool_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestShortBesideLong: G3. No short task waits behind a long one while another
// worker is idle, also one that was parked long ago. A task that did would wait
// for ever.
func TestShortBesideLong(t *testing.T) {
	ctx := t.Context()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	for range 200 {
		task, started, open := gate()
		long := futures.Submit(ctx, pool, task)
		<-started
		for i := range 50 {
			if v, err := futures.Submit(ctx, pool, value(i)).Result(ctx); v != i || err != nil {
				t.Fatalf("got %v, %v", v, err)
			}
		}
		open()
		long.Result(ctx)
	}
}

// TestOrder: G4. Tasks start by priority, and those of one in order of arrival.
func TestOrder(t *testing.T) {
	ctx := t.Context()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: 10_000})
	task, started, open := gate()
	futures.Submit(ctx, pool, task)
	<-started
	type arrival struct{ priority, number int }
	var want, got []arrival
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 5000 {
		a := arrival{max(0, r.IntN(10)-6), i} // most of them 0
		if r.IntN(10) == 0 {
			a.priority = -1
		}
		want = append(want, a)
		futures.Submit(ctx, pool, func(context.Context) (int, error) {
			got = append(got, a)
			return 0, nil
		}, futures.Priority(a.priority))
	}
	open()
	pool.Close()
	slices.SortStableFunc(want, func(a, b arrival) int { return cmp.Compare(b.priority, a.priority) })
	if !slices.Equal(got, want) {
		t.Error("not in order")
	}
}
