package arena

import (
	"iter"
	"math/bits"
)

// pages knows which pages of the region the arena has made exist. A peer can make
// and punch others; what it does is not known.
type pages struct {
	size  int      // of a page, immutable
	words []uint64 // a bit for each page, as far as one was ever set
	bytes int      // in pages whose bit is set
}

// set notes that all pages which x touches exist.
func (p *pages) set(x span) {
	last := (x.end() - 1) / p.size
	if grow := last/64 + 1 - len(p.words); grow > 0 {
		p.words = append(p.words, make([]uint64, grow)...)
	}
	for i, mask := range words(x.off/p.size, last) {
		p.bytes += p.size * bits.OnesCount64(mask&^p.words[i])
		p.words[i] |= mask
	}
}

// clear notes that all pages which lie within x do not exist.
func (p *pages) clear(x span) {
	for i, mask := range words(p.inner(x)) {
		if i >= len(p.words) {
			return
		}
		p.bytes -= p.size * bits.OnesCount64(mask&p.words[i])
		p.words[i] &^= mask
	}
}

// exist reports whether all pages which x touches exist.
func (p *pages) exist(x span) bool {
	for i, mask := range words(x.off/p.size, (x.end()-1)/p.size) {
		if i >= len(p.words) || p.words[i]&mask != mask {
			return false
		}
	}
	return true
}

// first returns the first pages that exist and lie within x, most bytes of them at
// most. There are none if it has no bytes.
func (p *pages) first(x span, most int) span {
	var run span
	for i, mask := range words(p.inner(x)) {
		if i >= len(p.words) {
			break
		}
		for mask != 0 {
			if run.n >= most {
				return run
			}
			bit := bits.TrailingZeros64(mask)
			mask &= mask - 1
			switch exists := p.words[i]>>bit&1 != 0; {
			case exists && run.n == 0:
				run = span{(64*i + bit) * p.size, p.size}
			case exists:
				run.n += p.size
			case run.n > 0:
				return run
			}
		}
	}
	return run
}

// inner returns the first and the last page that lie within x.
func (p *pages) inner(x span) (first, last int) {
	return (x.off + p.size - 1) / p.size, x.end()/p.size - 1
}

// words returns, for the bits first to last, the words they are in and where.
func words(first, last int) iter.Seq2[int, uint64] {
	return func(yield func(int, uint64) bool) {
		for first <= last {
			i, mask := first/64, ^uint64(0)<<(first%64)
			if last/64 == i {
				mask &= ^uint64(0) >> (63 - last%64)
			}
			if !yield(i, mask) {
				return
			}
			first = 64 * (i + 1)
		}
	}
}
