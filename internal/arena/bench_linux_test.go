package arena

import (
	"fmt"
	"testing"
)

func name(n int) string {
	if n < 1<<20 {
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dMiB", n>>20)
}

var sizes = []int{1 << 10, 64 << 10, 1 << 20, 64 << 20}

// What does a block cost that was used before.
func BenchmarkWarm(b *testing.B) {
	for _, n := range sizes {
		b.Run(name(n), func(b *testing.B) {
			a := create(b, 1<<30)
			for b.Loop() {
				block, _ := a.Alloc(n)
				a.Free(block)
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		a := create(b, 1<<30)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				block, _ := a.Alloc(1 << 10)
				a.Free(block)
			}
		})
	})
}

// What does a block cost whose pages are new, and given back afterwards.
func BenchmarkPages(b *testing.B) {
	for _, n := range sizes {
		b.Run(name(n), func(b *testing.B) {
			a := create(b, 1<<30)
			for b.Loop() {
				block, _ := a.Alloc(n)
				a.Free(block)
				if err := a.Trim(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What does it cost to fill one, to compare.
func BenchmarkFill(b *testing.B) {
	for _, n := range sizes {
		b.Run(name(n), func(b *testing.B) {
			a := create(b, 1<<30)
			block, _ := a.Alloc(n)
			src := make([]byte, n)
			for b.Loop() {
				copy(a.Bytes(block), src)
			}
		})
	}
}

// What does a pool pay whose sizes change all the time, in the first use of fresh
// space too.
func BenchmarkMixed(b *testing.B) {
	a := create(b, 1<<30)
	var held [64]Block
	seed := uint32(1)
	for b.Loop() {
		seed = seed*1664525 + 1013904223
		i := seed >> 26
		if held[i].Cap > 0 {
			a.Free(held[i])
		}
		held[i], _ = a.Alloc(1 << (8 + seed>>8&7))
	}
}
