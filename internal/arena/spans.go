package arena

import (
	"cmp"
	"slices"
)

// span is a range of the region.
type span struct{ off, n int }

func (x span) end() int { return x.off + x.n }

// spans is a set of bytes of the region.
type spans struct {
	list []span // sorted; no two of them overlap or touch
	most int    // none is longer; may be too large
}

// put adds x, of which no byte is in the set.
func (s *spans) put(x span) {
	i := s.after(x.off)
	from := i
	if i > 0 && s.list[i-1].end() == x.off {
		from--
		x = span{s.list[from].off, s.list[from].n + x.n}
	}
	if i < len(s.list) && s.list[i].off == x.end() {
		x.n += s.list[i].n
		i++
	}
	s.list = slices.Replace(s.list, from, i, x)
	s.most = max(s.most, x.n)
}

// cut removes n bytes, whose offset is a multiple of align. It takes the lowest
// that there are, so that the top of the region stays whole and untouched.
func (s *spans) cut(n, align int) (off int, ok bool) {
	if n > s.most {
		return 0, false
	}
	most := 0
	for i, x := range s.list {
		off := (x.off + align - 1) / align * align
		if off+n <= x.end() {
			s.remove(i, span{off, n})
			return off, true
		}
		most = max(most, x.n)
	}
	s.most = most
	return 0, false
}

// remove removes x, which lies within the span at i.
func (s *spans) remove(i int, x span) {
	whole := s.list[i]
	var rest []span
	if whole.off < x.off {
		rest = append(rest, span{whole.off, x.off - whole.off})
	}
	if x.end() < whole.end() {
		rest = append(rest, span{x.end(), whole.end() - x.end()})
	}
	s.list = slices.Replace(s.list, i, i+1, rest...)
}

// merge adds many spans at once, of which no byte is in the set.
func (s *spans) merge(more []span) {
	all := append(s.list, more...)
	slices.SortFunc(all, func(x, y span) int { return cmp.Compare(x.off, y.off) })
	s.list = all[:0]
	for _, x := range all {
		if last := len(s.list) - 1; last >= 0 && s.list[last].end() == x.off {
			s.list[last].n += x.n
			x = s.list[last]
		} else {
			s.list = append(s.list, x)
		}
		s.most = max(s.most, x.n)
	}
}

// after returns the index of the first span that begins after off.
func (s *spans) after(off int) int {
	i, _ := slices.BinarySearchFunc(s.list, off+1, func(x span, off int) int { return cmp.Compare(x.off, off) })
	return i
}
