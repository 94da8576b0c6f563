package cluster

import (
	"math"
	"runtime"
	"testing"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// TestItemsAreCheap: an item of a chunk costs a worker its task's future and next to nothing
// besides: no goroutine, no timer, no buffer of its own.
func TestItemsAreCheap(t *testing.T) {
	const items, chunks, limit, attempts = 200, 50, 2.5, 10
	s := newScript(t, 0)
	s.serve(ServeOptions{Workers: 2})
	var chunk uint64
	run := func() {
		for range chunks {
			var all []envelope.Item
			for i := range items {
				all = append(all, call(i, double, i))
			}
			s.send(chunk, 1, all...)
			chunk++
		}
		for c := chunk - chunks; c < chunk; c++ {
			s.result(c, envelope.Whole)
		}
		s.empty()
	}
	run() // the function is known then, and memory is there to be used again
	var before, after runtime.MemStats
	sent := testing.AllocsPerRun(1, func() { // what the script itself costs
		for i := range items {
			call(i, double, i)
		}
	})
	// The server and what watches the clock allocate too, more in a slow run: the best one
	// tells what an item costs.
	best := math.Inf(1)
	for range attempts {
		goroutines := runtime.NumGoroutine()
		runtime.ReadMemStats(&before)
		run()
		runtime.ReadMemStats(&after)
		best = min(best, float64(after.Mallocs-before.Mallocs)/(items*chunks)-sent/items)
		// The server has more of its own at times, but not by the hundred.
		if n := runtime.NumGoroutine() - goroutines; n > items/2 {
			t.Errorf("%d goroutines more than before", n)
		}
		if best <= limit {
			break
		}
	}
	if t.Logf("%.2f allocations for each item", best); best > limit {
		t.Errorf("%.2f allocations for each item, at most %v", best, limit)
	}
}
