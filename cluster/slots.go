package cluster

import "time"

// slots count what a worker has to run. They are guarded by worker.mu.
//
// A message takes a slot, unless all of it is known to be short: of that as many messages
// as come to shortAhead of work fit into each slot beside what else is in it. So an executor
// has the next short task at hand when one is done, and no task waits behind a long one that
// another worker could run (CL5).
type slots struct {
	limit   int
	long    int   // messages that have a slot each
	waiting int   // of these, whose task waits for another and needs no slot
	cost    int64 // of all short messages, in ns

	usual int64 // cost of a message of late; 0 before the first
}

const (
	shortAhead   = 5 * time.Millisecond   // of work may wait for a slot
	shortItem    = 200 * time.Microsecond // what takes longer is long
	shortMessage = time.Millisecond       // of which some are asked for before there is a slot
	mostAhead    = 8                      // so many
	perMessage   = 50 * time.Microsecond  // that a message costs beside its items
)

// free returns how many more messages of unknown length can be started at once.
func (s *slots) free() int {
	return s.limit - (s.long - s.waiting) - int(s.cost/int64(shortAhead))
}

// ahead returns how many more short messages are worth having at hand.
func (s *slots) ahead() int {
	if s.usual == 0 || s.usual > int64(shortMessage) {
		return 0
	}
	room := int64(s.limit)*int64(shortAhead) - s.cost
	return int(max(0, min(mostAhead, room/(s.usual+int64(perMessage)))))
}

func (s *slots) occupy(m *message) {
	m.slot = true
	if m.short {
		s.cost += m.cost
	} else {
		s.long++
	}
}

func (s *slots) vacate(m *message) {
	switch {
	case !m.slot:
		return
	case m.short:
		s.cost -= m.cost
	default:
		s.long--
	}
	if m.asleep {
		s.waiting--
	}
	m.slot, m.asleep = false, false
}

// saw notes what a message is expected to cost.
func (s *slots) saw(m *message) {
	cost := m.cost
	if !m.short {
		cost = 2 * int64(shortMessage)
	}
	if s.usual == 0 {
		s.usual = cost
	}
	s.usual += (cost - s.usual) / 8
}
