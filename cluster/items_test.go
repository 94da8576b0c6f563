package cluster

import (
	"runtime"
	"testing"

	"github.com/futures-go/futures/cluster/internal/envelope"
)

// TestItemsAreCheap: an item of a chunk costs a worker its task's future and next to nothing
// besides: no goroutine, no timer, no buffer of its own.
func TestItemsAreCheap(t *testing.T) {
	const items, chunks, limit = 200, 50, 2.5
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
	goroutines := runtime.NumGoroutine()
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	each := float64(after.Mallocs-before.Mallocs)/(items*chunks) - sent/items
	t.Logf("%.2f allocations for each item", each)
	if each > limit {
		t.Errorf("%.2f allocations for each item, at most %v", each, limit)
	}
	// The server has more of its own at times, but not by the hundred.
	if n := runtime.NumGoroutine() - goroutines; n > items/2 {
		t.Errorf("%d goroutines more than before", n)
	}
}
