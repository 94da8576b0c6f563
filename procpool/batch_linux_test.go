package procpool_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// TestChunkCrashes: PP1: of the calls of a chunk whose worker dies, those that had begun
// fail, and the others are made elsewhere; none is made twice.
func TestChunkCrashes(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.Logger = 2, quiet
		p := open(t, o)
		const n, exit = 1000, 333
		file := newMarks(t, n)
		i, crashed := 0, 0
		for v, err := range odd.Map(t.Context(), p, slices.Values(oddities(n, exit, false, file.path)), futures.Chunk(100)) {
			begun, _ := file.count(i)
			_, crash := errors.AsType[*futures.CrashError](err)
			if crash {
				crashed++
			}
			inChunk := i >= 300 && i < 400
			switch {
			case crash && !inChunk, i == exit && !crash, err != nil && !crash, err == nil && v != 3*i:
				t.Errorf("item %d: %d, %v", i, v, err)
			case begun > 1 || begun == 0 && !crash:
				t.Errorf("item %d was called %d times: %v", i, begun, err)
			}
			i++
		}
		want := 100
		if !o.Isolated {
			want = exit - 300 + 1
		}
		if i != n || crashed != want {
			t.Errorf("%d items, %d crashed, want %d", i, crashed, want)
		}
	})
}
