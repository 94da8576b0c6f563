package family

import "sync"

// lot is where the goroutines of this process wait, by wait set.
type lot struct {
	mu     sync.Mutex
	hashes [64]map[int]*waiters // by hash, then by offset of the set
}

// waiters wait for one set, in the order in which they came.
type waiters struct{ first, last *waiter }

// waiter is a goroutine that waits.
type waiter struct {
	woken      chan struct{} // gets one value when it is taken out of the list
	linked     bool
	next, prev *waiter
}

var waiterPool = sync.Pool{New: func() any { return &waiter{woken: make(chan struct{}, 1)} }}

// link puts a waiter into the list, in front if it has waited before, and announces it (FA4).
func (l *lot) link(s WaitSet, w *waiter, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := s.hash()
	if l.hashes[h] == nil {
		l.hashes[h] = make(map[int]*waiters)
	}
	list := l.hashes[h][s.off]
	if list == nil {
		list = new(waiters)
		l.hashes[h][s.off] = list
	}
	w.linked = true
	if again {
		w.prev, w.next = nil, list.first
	} else {
		w.prev, w.next = list.last, nil
	}
	list.insert(w)
	s.word.Or(s.member.bit)
}

func (l *waiters) insert(w *waiter) {
	if w.prev != nil {
		w.prev.next = w
	} else {
		l.first = w
	}
	if w.next != nil {
		w.next.prev = w
	} else {
		l.last = w
	}
}

func (l *waiters) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.linked, w.next, w.prev = false, nil, nil
}

// unlink takes a waiter out that waits no more. It reports whether a wake-up was for it, or
// is on its way to nobody: then the caller passes it on.
func (l *lot) unlink(s WaitSet, w *waiter) (pass bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !w.linked {
		<-w.woken
		return true
	}
	h := s.hash()
	list := l.hashes[h][s.off]
	list.remove(w)
	if list.first != nil {
		return false
	}
	delete(l.hashes[h], s.off)
	if s.member.shared {
		return true // nobody can tell whose the bit is
	}
	return s.word.And(^s.member.bit)&s.member.bit == 0
}

// dispatch wakes one waiter of each set that was rung, as far as a hash tells. If there are
// more waiters, they are announced again; if not, the announcement is taken back.
func (l *lot) dispatch(m *member, rung uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h := range 64 {
		if rung&(1<<h) == 0 {
			continue
		}
		for off := range l.hashes[h] {
			l.wakeFirst(m, h, off)
		}
	}
}

// wakeFirst wakes the first waiter of a set that has some. The caller holds l.mu.
func (l *lot) wakeFirst(m *member, hash, off int) {
	list := l.hashes[hash][off]
	w := list.first
	list.remove(w)
	word := m.family.word(off)
	if list.first != nil {
		word.Or(m.bit)
	} else {
		delete(l.hashes[hash], off)
		if !m.shared {
			word.And(^m.bit)
		}
	}
	w.woken <- struct{}{}
}

// wakeHere wakes a waiter of this process without a way round the shared memory, if there is
// one.
func (l *lot) wakeHere(s WaitSet) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := s.hash()
	if l.hashes[h][s.off] == nil {
		return false
	}
	l.wakeFirst(s.member, h, s.off)
	return true
}
