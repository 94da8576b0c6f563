package family

import (
	"context"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/wake"
)

// WaitSet is a word in which processes announce that goroutines of theirs wait for
// something. See the package documentation.
type WaitSet struct {
	member *member
	word   *atomic.Uint64
	off    int // of word, in the region
}

// WaitSet returns the wait set at an offset within the object.
func (o *Object) WaitSet(off int) WaitSet { return o.member.set(o.off + off) }

func (m *member) set(off int) WaitSet { return WaitSet{m, m.family.word(off), off} }

func (s WaitSet) hash() int { return int(uint64(s.off/8) * 0x9e3779b97f4a7c15 >> 58) }

// Waited reports whether somebody may be waiting. Who has changed something calls it
// first, because it costs nothing.
func (s WaitSet) Waited() bool {
	wake.Fence()
	return s.word.Load() != 0
}

// WakeOne wakes one waiter, if there is one. The caller has changed what it waits for
// before.
func (s WaitSet) WakeOne() {
	if s.Waited() {
		s.wakeOne()
	}
}

func (s WaitSet) wakeOne() {
	for {
		word := s.word.Load()
		if word == 0 {
			return
		}
		take := word & (1 << sharedBit) // it may be of somebody who waits no more
		if exact := word &^ (1 << sharedBit); exact != 0 {
			turn := rand.IntN(sharedBit)
			take |= bits.RotateLeft64(lowest(bits.RotateLeft64(exact, -turn)), turn)
		}
		if s.word.CompareAndSwap(word, word&^take) {
			assert.Reach("wake-up taken")
			s.ring(take)
			return
		}
	}
}

func lowest(word uint64) uint64 { return word & -word }

// WakeAll wakes all waiters.
func (s WaitSet) WakeAll() {
	if !s.Waited() {
		return
	}
	// Of each process one is woken, who passes it on, since all that waits here is woken
	// by a state that all can see.
	taken := s.word.Swap(0)
	assert.Reach("all wake-ups taken")
	s.ring(taken)
}

// Bury takes a dead member's announcement away and wakes all others: it may have been about to
// wake any of them.
func (s WaitSet) Bury(dead Member) {
	if !dead.sharesBit() {
		s.word.And(^bitOf(dead.Number))
	}
	s.WakeAll()
}

// ring rings the members of these bits.
func (s WaitSet) ring(taken uint64) {
	f, hash := s.member.family, s.hash()
	for ; taken != 0; taken &= taken - 1 {
		bit := bits.TrailingZeros64(taken)
		if bit < sharedBit {
			f.ring(bit, hash)
			continue
		}
		for number := sharedBit; number < f.marked(offMemberMark, MaxMembers); number++ {
			f.ring(number, hash)
		}
	}
}

// Wait returns nil when try has reported true, or the cause of ctx's end. try is called by
// this goroutine, as often as something may have changed. When it has succeeded after a
// wake-up and more reports true, another waiter is woken; nil stands for false.
func (s WaitSet) Wait(ctx context.Context, try, more func() bool) error {
	return s.wait(ctx, s.member, try, more)
}

func (s WaitSet) wait(ctx context.Context, m *member, try, more func() bool) error {
	if ctx.Err() != nil {
		if try() {
			return nil
		}
		return context.Cause(ctx)
	}
	w := waiterPool.Get().(*waiter)
	defer waiterPool.Put(w)
	for again := false; ; again = true {
		m.lot.link(s, w, again)
		wake.Fence()
		if try() {
			if m.lot.unlink(s, w) {
				s.pass()
			}
			return nil
		}
		select {
		case <-w.woken:
		case <-ctx.Done():
			if m.lot.unlink(s, w) {
				s.pass()
			}
			return context.Cause(ctx)
		}
		if try() {
			if more != nil && more() {
				s.pass()
			}
			return nil
		}
	}
}

// pass gives a wake-up to another waiter (FA4). One of this process comes first: WakeAll has
// woken one of each process, for all that wait there, and another process may have
// waiters only for what comes afterwards.
func (s WaitSet) pass() {
	if !s.member.lot.wakeHere(s) {
		s.WakeOne()
	}
}
