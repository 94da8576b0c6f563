package ipc

import "context"

// SetOwners sets how many owners this process has made.
func SetOwners(n uint32) (before uint32) { return owners.Swap(n) }

// NearWrap makes new events, conditions and barriers begin so few steps before their counters
// go round, until restore is called.
func NearWrap(steps uint64) (restore func()) {
	firstEvent.Store(-(2 * steps))
	firstTicket.Store(-steps)
	firstRound.Store(-steps)
	firstBreak.Store(-steps)
	return func() {
		firstEvent.Store(0)
		firstTicket.Store(0)
		firstRound.Store(0)
		firstBreak.Store(0)
	}
}

// BrokeAfter has a party arrive, its round end, and so many more break. It reports whether the
// party hears that its round has broken.
func BrokeAfter(b *Barrier, broke bool, later int) bool {
	c, _ := b.get()
	a, _ := c.arrive(context.Background())
	if !broke {
		_ = c.complete(a.round, nil)
	}
	for i := range later + 1 {
		if i == 0 && !broke {
			continue
		}
		round := a.round
		if i > 0 {
			next, _ := c.arrive(context.Background())
			round = next.round
		}
		breakRound(c.state, round)
		_ = c.reset()
	}
	return c.broke(a)
}

// CondMark returns how many places for sleepers are looked at.
func CondMark(c *Cond) int { return condMarked(c.core.Load().o) }

// FillCond makes all places of a condition taken.
func FillCond(c *Cond) {
	core := c.core.Load()
	for place := range condMost {
		core.word(place, placeWho).Store(uint64(core.o.Owner()) | placeTaking)
	}
}
