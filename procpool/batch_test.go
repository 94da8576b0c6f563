package procpool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// odd is a function of which every kind of call fails in its way.
var odd = futures.Define("test.odd", func(_ context.Context, in oddity) (int, error) {
	if in.Marks != "" {
		if err := countCall(in.Marks, in.N); err != nil {
			return 0, err
		}
	}
	switch {
	case in.N == in.Exit:
		os.Exit(5)
	case in.Fails && in.N%100 == 17:
		return in.N, fmt.Errorf("unlucky %d: %w", in.N, os.ErrNotExist)
	case in.Fails && in.N%100 == 18:
		panic(fmt.Sprint("panicked ", in.N))
	case in.Fails && in.N%100 == 19:
		runtime.Goexit()
	}
	return 3 * in.N, nil
})

// countCall counts a call in a file of marks, where there are any.
var countCall = func(file string, n int) error { return nil }

type oddity struct {
	N     int
	Exit  int
	Fails bool
	Marks string
}

func oddities(n, exit int, fails bool, marks string) []oddity {
	all := make([]oddity, n)
	for i := range all {
		all[i] = oddity{i, exit, fails, marks}
	}
	return all
}

// TestChunks: a Map's chunks are invisible: values and errors in their places.
func TestChunks(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers = 2
		p := open(t, o)
		for _, options := range [][]futures.MapOption{nil, {futures.Chunk(1)}, {futures.Chunk(7)}, {futures.Chunk(1000), futures.Unordered()}} {
			n := 0
			seen := make([]bool, 950)
			for v, err := range odd.Map(t.Context(), p, slices.Values(oddities(950, -1, true, "")), options...) {
				i := n
				n++
				if len(options) == 2 && err == nil {
					i = v / 3
				} else if len(options) == 2 {
					continue
				}
				seen[i] = true
				panicked, isPanic := errors.AsType[*futures.PanicError](err)
				switch i % 100 {
				case 17:
					if v != 0 || !errors.Is(err, os.ErrNotExist) {
						t.Errorf("item %d: %d, %v", i, v, err)
					}
				case 18:
					if !isPanic || panicked.Value != fmt.Sprint("panicked ", i) {
						t.Errorf("item %d: %v", i, err)
					}
				case 19:
					if !isPanic || !panicked.Goexit {
						t.Errorf("item %d: %v", i, err)
					}
				default:
					if v != 3*i || err != nil {
						t.Errorf("item %d: %d, %v", i, v, err)
					}
				}
			}
			if n != 950 {
				t.Errorf("%d items", n)
			}
		}
	})
}
