package taskqueue

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/futures-go/futures"
)

// segmentSize is how many tasks share a segment: enough to make its allocation
// a small part of the cost of a task (2 KiB for 256 tasks).
const segmentSize = 256

// segment is a part of the FIFO of priority 0. slots[head:tail] are queued.
//
// A pusher writes a slot and publishes it by storing tail. A popper takes the
// slot at head by moving head over it with a compare-and-swap, owns it then, and
// empties it.
type segment struct {
	head  atomic.Int64 // written by workers
	_     [56]byte
	tail  atomic.Int64 // written under Queue.mu
	base  int64        // slots in all segments before this one; immutable
	next  atomic.Pointer[segment]
	_     [40]byte
	slots [segmentSize]*futures.Task
}

// Popper is what one worker remembers of the queue: how far a segment was filled
// when it looked last. While it knows of queued tasks it need not look again at
// the word that submitters write.
type Popper struct {
	segment *segment
	tail    int64
}

// level is the FIFO of one priority other than 0. It is guarded by Queue.mu.
type level struct {
	priority int
	tasks    []*futures.Task
	head     int
}

// push adds a task at the end of its priority. The caller holds q.mu.
func (q *Queue) push(t *futures.Task) {
	if priority := t.Priority(); priority != 0 {
		q.pushLevel(priority, t)
		return
	}
	s := q.last
	i := s.tail.Load()
	if i == segmentSize {
		s, i = &segment{base: s.base + segmentSize}, 0
		q.last.next.Store(s)
		q.last = s
	}
	s.slots[i] = t
	s.tail.Store(i + 1)
}

func (q *Queue) pushLevel(priority int, t *futures.Task) {
	i, found := slices.BinarySearchFunc(q.levels, priority, func(l *level, p int) int { return cmp.Compare(p, l.priority) })
	if !found {
		q.levels = slices.Insert(q.levels, i, &level{priority: priority})
	}
	q.levels[i].tasks = append(q.levels[i].tasks, t)
	q.count(priority).Add(1)
}

func (q *Queue) count(priority int) *atomic.Int32 {
	if priority > 0 {
		return &q.higher
	}
	return &q.lower
}

// Pop takes the first task of the highest priority, or returns nil. The task
// belongs to the caller then (Q1). A task that was cancelled in the queue is
// returned too: when its Start fails, the caller says so with Skipped.
func (q *Queue) Pop(by *Popper) *futures.Task {
	for {
		if q.higher.Load() > 0 {
			if t := q.popLevel(true); t != nil {
				return t
			}
		}
		if t := q.popDefault(by); t != nil {
			return t
		}
		if q.lower.Load() <= 0 {
			return nil
		}
		if t := q.popLevel(false); t != nil {
			return t
		}
	}
}

func (q *Queue) popDefault(by *Popper) *futures.Task {
	for {
		s := q.first.Load()
		h := s.head.Load()
		if h == segmentSize {
			next := s.next.Load()
			if next == nil {
				by.segment = nil // do not keep what has run
				return nil
			}
			q.first.CompareAndSwap(s, next)
			continue
		}
		if by.segment != s || by.tail <= h {
			by.segment, by.tail = s, s.tail.Load()
			if by.tail <= h {
				return nil
			}
		}
		if s.head.CompareAndSwap(h, h+1) {
			t := s.slots[h]
			s.slots[h] = nil // a segment must not keep what has run
			return t
		}
	}
}

func (q *Queue) popLevel(higher bool) *futures.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !higher && (q.higher.Load() > 0 || !q.defaultEmpty()) {
		return nil // something came first, or was away while the queue was compacted
	}
	for i, l := range q.levels {
		if l.priority > 0 != higher {
			continue
		}
		t := l.tasks[l.head]
		l.tasks[l.head] = nil
		l.head++
		if l.head == len(l.tasks) {
			q.levels = slices.Delete(q.levels, i, i+1)
		}
		q.count(l.priority).Add(-1)
		return t
	}
	return nil
}

// Above reports whether a task of a higher priority than the given one is queued.
func (q *Queue) Above(priority int) bool {
	if priority < 0 && !q.defaultEmpty() {
		return true
	}
	if q.higher.Load() <= 0 && q.lower.Load() <= 0 {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.levels) > 0 && q.levels[0].priority > priority
}

// Empty reports whether there is nothing to pop. It does not look at the word that
// submitters write if by knows of a queued task.
func (q *Queue) Empty(by *Popper) bool {
	if s := q.first.Load(); by != nil && by.segment == s && s.head.Load() < by.tail {
		return false
	}
	compactions := q.compactions.Load()
	return q.defaultEmpty() && q.higher.Load() <= 0 && q.lower.Load() <= 0 &&
		compactions%2 == 0 && compactions == q.compactions.Load()
}

// defaultEmpty is Empty for priority 0 alone.
func (q *Queue) defaultEmpty() bool {
	for s := q.first.Load(); s != nil; s = s.next.Load() {
		h := s.head.Load()
		if h < s.tail.Load() {
			return false
		}
		if h < segmentSize {
			return true
		}
	}
	return true
}

// len returns how many tasks are queued, cancelled ones included. The caller
// holds q.mu.
func (q *Queue) len() int {
	s := q.first.Load()
	popped := s.base + s.head.Load()
	pushed := q.last.base + q.last.tail.Load()
	return int(pushed-popped) + int(q.higher.Load()) + int(q.lower.Load())
}

// live returns how many tasks are queued and not cancelled. The caller holds q.mu.
func (q *Queue) live() int { return max(0, q.len()-int(max(0, q.dead.Load()))) }

// claimAll empties the queue and returns what was in it, in order. The caller
// holds q.mu, so nothing is pushed meanwhile; workers may pop in parallel.
func (q *Queue) claimAll() []*futures.Task {
	var higher, lower []*futures.Task
	for _, l := range q.levels {
		if l.priority > 0 {
			higher = append(higher, l.tasks[l.head:]...)
		} else {
			lower = append(lower, l.tasks[l.head:]...)
		}
	}
	q.levels = nil
	q.higher.Store(0)
	q.lower.Store(0)
	return slices.Concat(higher, q.claimDefault(), lower)
}

// claimDefault takes all tasks of priority 0, in order. It claims whole segments,
// each with one compare-and-swap, the last one first: so what workers pop
// meanwhile is older than all that has been claimed (Q2). The caller holds q.mu.
func (q *Queue) claimDefault() []*futures.Task {
	var segments []*segment
	for s := q.first.Load(); s != nil; s = s.next.Load() {
		segments = append(segments, s)
	}
	parts := make([][]*futures.Task, len(segments))
	for i, s := range slices.Backward(segments) {
		tail := s.tail.Load()
		for h := s.head.Load(); h < tail; h = s.head.Load() {
			if s.head.CompareAndSwap(h, tail) {
				parts[i] = slices.Clone(s.slots[h:tail])
				clear(s.slots[h:tail])
			}
		}
	}
	q.first.Store(q.last) // whatever is before is claimed
	return slices.Concat(parts...)
}
