package arena

// The methods below ask the system for pages or give them back. They are called
// with mu held and let go of it meanwhile (A6); the span belongs to the caller
// until they return.

// reserve makes the pages of x exist (A2). If it cannot, x is free afterwards.
func (a *Arena) reserve(x span) bool {
	if a.pages.exist(x) {
		return true
	}
	a.away += x.n
	a.mu.Unlock()
	err := inPieces(x, a.memory.Reserve)
	a.mu.Lock()
	a.away -= x.n
	a.back.Broadcast()
	if err != nil {
		// Some pages may exist by now. One that x only begins or ends in has to stay,
		// uncounted: it may be a neighbour's by now.
		_ = a.release(x)
		return false
	}
	a.pages.set(x)
	return true
}

// release gives the pages of x back and makes it free.
func (a *Arena) release(x span) error {
	a.away += x.n
	a.mu.Unlock()
	err := inPieces(x, a.memory.Punch)
	a.mu.Lock()
	if err == nil {
		a.pages.clear(x)
	}
	a.spans.put(x)
	a.away -= x.n
	a.back.Broadcast()
	return err
}

func inPieces(x span, f func(off, n int) error) error {
	for x.n > 0 {
		n := min(x.n, piece-x.off%piece)
		if err := f(x.off, n); err != nil {
			return err
		}
		x = span{x.off + n, x.n - n}
	}
	return nil
}

// takeWarm takes pages that exist out of the free spans, the first from at on.
func (a *Arena) takeWarm(at int) (span, bool) {
	i := max(a.spans.after(at)-1, 0)
	for ; i < len(a.spans.list); i++ {
		x := a.spans.list[i]
		from := max(x.off, at)
		if from >= x.end() {
			continue
		}
		if warm := a.pages.first(span{from, x.end() - from}, piece); warm.n > 0 {
			a.spans.remove(i, warm)
			return warm, true
		}
	}
	return span{}, false
}
