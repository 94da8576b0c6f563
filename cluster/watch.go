package cluster

import (
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

const (
	watchEach   = time.Millisecond
	tellAfter   = time.Millisecond      // of running, the client is told what has begun
	showAfter   = 5 * time.Millisecond  // and the outcomes of those of a chunk that are done
	holdFor     = 50 * time.Millisecond // a message waits for a slot before it goes back
	holdLow     = 5                     // times as long one of the lowest level
	unaskAfter  = 50 * time.Millisecond // without a slot, what is asked for is taken back
	pruneCancel = 10 * time.Second
)

// watch is the one goroutine that looks at time while there are messages: it extends
// leases, tells clients of what takes longer, notices tasks that need no slot, gives back
// what waits for one in vain, and publishes results again.
func (w *worker) watch() {
	ticker := time.NewTicker(watchEach)
	defer ticker.Stop()
	var s sight
	for {
		select {
		case <-w.quit:
			return
		case <-ticker.C:
		}
		if w.look(&s) {
			continue
		}
		ticker.Stop()
		select {
		case <-w.quit:
			return
		case <-w.wake:
		}
		ticker.Reset(watchEach)
	}
}

// sight is what a look has found, to be done without worker.mu. Its memory is used again.
type sight struct {
	leases  []*stream.Message
	notices []noticeTo
	shows   []show
	back    []*message
	again   []*message
	full    int64 // since when there is no slot; 0 if there is one
	pruned  int64
}

type noticeTo struct {
	client string
	notice envelope.Notice
}

type show struct {
	client string
	data   []byte
}

// look does what is due. It reports whether there is something to watch.
func (w *worker) look(s *sight) (more bool) {
	s.leases, s.notices, s.shows, s.back, s.again = s.leases[:0], s.notices[:0], s.shows[:0], s.back[:0], s.again[:0]
	now := w.now()
	var o orders
	w.mu.Lock()
	for m := range w.messages {
		w.lookAt(m, now, s)
	}
	w.giveUpHeld(now, s)
	if w.slots.free() > 0 {
		s.full = 0
	} else if s.full == 0 {
		s.full = now
	}
	unask := s.full != 0 && now-s.full > int64(unaskAfter)
	w.plan(&o)
	more = len(w.messages) > 0 || !w.pauses.IsZero() && time.Now().Before(w.pauses)
	w.mu.Unlock()

	for _, from := range s.leases {
		_ = from.Progress() // without a connection it may come too late, and then another worker has it
	}
	for i := range s.notices {
		_ = w.notify(s.notices[i].client, &s.notices[i].notice)
	}
	for _, show := range s.shows {
		_ = w.conn.NC.Publish(w.names.Notice(show.client), show.data)
	}
	for _, m := range s.back {
		w.helpers.Go(func() { w.handBack(m, "no slot was free") })
	}
	for _, m := range s.again {
		w.sendResult(m)
	}
	if unask {
		w.forget()
	}
	w.carryOut(&o)
	if now-s.pruned > int64(pruneCancel) {
		s.pruned = now
		w.cancels.prune(time.Now())
	}
	return more
}

// lookAt does what is due with a message. The caller holds w.mu.
func (w *worker) lookAt(m *message, now int64, s *sight) {
	if now-m.leased > int64(w.opts.Lease)/3 && w.alive(m) {
		m.leased = now
		s.leases = append(append(s.leases, m.from), m.again...)
	}
	if m.retryAt != 0 && now >= m.retryAt {
		m.retryAt = 0
		s.again = append(s.again, m)
	}
	if m.phase != phaseStarted || now-m.began < int64(tellAfter) {
		return
	}
	if !m.told {
		w.tellOf(m, s)
	}
	if len(m.items) > 1 && now-m.began > int64(showAfter) {
		w.show(m, s)
	}
	w.watchSleep(m)
}

// extend has the leases of all messages extended soon, or of those of one source: what was said
// last may be lost with a connection or with a leader, and with it the better part of a lease.
func (w *worker) extend(of *source) {
	w.mu.Lock()
	for m := range w.messages {
		if of == nil || m.source == of {
			m.leased = w.now() - int64(w.opts.Lease)
		}
	}
	w.mu.Unlock()
	w.poke()
}

// alive reports whether a message's lease is to be extended (CL4): it waits for a slot, or
// a future of it is not resolved and the executor works, or its result is on its way. The
// caller holds w.mu.
func (w *worker) alive(m *message) bool { return m.phase != phaseStarted || w.reason == nil }

// tellOf has the client told which items have begun since it was told last. The caller
// holds w.mu.
func (w *worker) tellOf(m *message, s *sight) {
	var begun []envelope.Ref
	all := true
	for i, it := range m.items {
		if it.told {
			continue
		}
		if t := it.task.Load(); it.ended.Load() || t == nil || t.Attempt() == 0 {
			all = all && it.ended.Load()
			continue
		}
		it.told = true
		begun = append(begun, m.refOf(i))
	}
	m.told = all
	if len(begun) > 0 {
		s.notices = append(s.notices, noticeTo{m.task.Client, envelope.Notice{Worker: w.id, Begun: begun}})
	}
}

// show has the client given the outcomes that are there, as the others take their time.
// The caller holds w.mu.
func (w *worker) show(m *message, s *sight) {
	r := envelope.Result{Chunk: m.task.Chunk, Partial: true, Worker: w.id}
	size := 0
	for i, it := range m.items {
		if it.shown || !it.ended.Load() || it.back {
			continue
		}
		if size += len(m.outcomes[i].Payload) + outcomeSize; size > inline {
			break // the rest, or what is too long for a notice, comes with the result
		}
		it.shown = true
		r.Items = append(r.Items, m.outcomes[i])
	}
	if len(r.Items) > 0 {
		s.shows = append(s.shows, show{m.task.Client, envelope.AppendResult(nil, &r)})
	}
}

// watchSleep notes whether the task of a message needs its slot: not while it waits for another
// future, or between two attempts. The caller holds w.mu.
func (w *worker) watchSleep(m *message) {
	if len(m.items) != 1 || m.short {
		return
	}
	t := m.items[0].task.Load()
	asleep := t != nil && !t.Resolved() && (t.Waiting() || t.Pending() && t.Attempt() > 0)
	if asleep == m.asleep {
		return
	}
	m.asleep = asleep
	if asleep {
		w.slots.waiting++
	} else {
		w.slots.waiting--
	}
}

// giveUpHeld takes out of line what has waited for a slot for too long. The caller holds
// w.mu.
func (w *worker) giveUpHeld(now int64, s *sight) {
	for level, held := range w.held {
		limit := int64(w.opts.Hold)
		if level == len(w.held)-1 {
			limit *= holdLow
		}
		kept := held[:0]
		for _, m := range held {
			if now-m.arrived < limit {
				kept = append(kept, m)
				continue
			}
			w.settles(m)
			s.back = append(s.back, m)
		}
		clear(held[len(kept):])
		w.held[level] = kept
	}
}
