package arena

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// model is a set of units of the region, one bool each.
type model []bool

func (m model) fill(x span, free bool) {
	for i := range x.n {
		m[x.off+i] = free
	}
}

func (m model) spans() (all []span) {
	for i, free := range m {
		switch last := len(all) - 1; {
		case !free:
		case last >= 0 && all[last].end() == i:
			all[last].n++
		default:
			all = append(all, span{i, 1})
		}
	}
	return all
}

// fits says where the lowest n units are.
func (m model) fits(n, align int) (int, bool) {
	for off := 0; off+n <= len(m); off += align {
		if !slices.Contains(m[off:off+n], false) {
			return off, true
		}
	}
	return 0, false
}

func TestSpans(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var s spans
	m := make(model, 300)
	var taken []span
	m.fill(span{0, len(m)}, true)
	s.put(span{0, len(m)})
	for step := range 20000 {
		switch n := 1 + rng.IntN(20); rng.IntN(5) {
		case 0, 1:
			align := 1 << rng.IntN(4)
			want, fits := m.fits(n, align)
			got, ok := s.cut(n, align)
			if ok != fits || ok && got != want {
				t.Fatalf("step %d: cut(%d, %d) = %d, %v; want %d, %v", step, n, align, got, ok, want, fits)
			}
			if ok {
				taken = append(taken, span{got, n})
				m.fill(span{got, n}, false)
			}
		case 2:
			if i := rng.IntN(len(m)); m[i] {
				s.remove(s.after(i)-1, span{i, 1})
				taken = append(taken, span{i, 1})
				m[i] = false
			}
		case 3:
			if len(taken) > 0 {
				i := rng.IntN(len(taken))
				s.put(taken[i])
				m.fill(taken[i], true)
				taken = slices.Delete(taken, i, i+1)
			}
		case 4:
			rng.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
			keep := rng.IntN(len(taken) + 1)
			s.merge(taken[keep:])
			for _, x := range taken[keep:] {
				m.fill(x, true)
			}
			taken = taken[:keep]
		}
		if want := m.spans(); !slices.Equal(s.list, want) {
			t.Fatalf("step %d: %v, want %v", step, s.list, want)
		}
		for _, x := range s.list {
			if x.n > s.most {
				t.Fatalf("step %d: %v is longer than %d", step, x, s.most)
			}
		}
	}
}

func TestPages(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	const page = 4
	p := pages{size: page}
	m := make(model, 400) // a unit for each page
	for step := range 20000 {
		x := span{rng.IntN(page * (len(m) - 100)), 1 + rng.IntN(page*100)}
		if rng.IntN(2) == 0 {
			x.n = 1 + rng.IntN(2*page)
		}
		outer := span{x.off / page, (x.end()-1)/page + 1 - x.off/page}
		first := (x.off + page - 1) / page
		inner := span{first, max(x.end()/page-first, 0)}
		switch rng.IntN(3) {
		case 0:
			p.set(x)
			m.fill(outer, true)
		case 1:
			p.clear(x)
			m.fill(inner, false)
		}
		if got, want := p.exist(x), !slices.Contains(m[outer.off:outer.end()], false); got != want {
			t.Fatalf("step %d: exist(%v) = %v", step, x, got)
		}
		most := page * (1 + rng.IntN(200))
		var want span
		for i := inner.off; i < inner.end() && want.n < most; i++ {
			if m[i] && want.n == 0 {
				want.off = page * i
			}
			if m[i] {
				want.n += page
			} else if want.n > 0 {
				break
			}
		}
		if got := p.first(x, most); got != want {
			t.Fatalf("step %d: first(%v, %d) = %v, want %v", step, x, most, got, want)
		}
		count := 0
		for _, set := range m {
			if set {
				count += page
			}
		}
		if p.bytes != count {
			t.Fatalf("step %d: %d bytes, want %d", step, p.bytes, count)
		}
	}
}
