package gopool

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures"
)

// queue holds the tasks that no worker owns. Pushing is serialised by a mutex;
// popping is lock-free for tasks of priority 0, so that workers do not stand in
// each other's way or in the submitters'. The task that is popped belongs to the
// worker that popped it (G2).
//
// Tasks of one priority leave in the order in which they came.
type queue struct {
	// Workers read this line for each task; it changes rarely.
	first   atomic.Pointer[segment] // where workers pop; only ever moves forward
	higher  atomic.Int32            // tasks in levels of priority above 0; changed under mu
	lower   atomic.Int32            // tasks in levels of priority below 0; changed under mu
	dead    atomic.Int64            // cancelled tasks that are still in the queue
	blocked atomic.Int32            // len(gate.submitters); changed under mu
	_       [36]byte

	// Submitters write this line for each task.
	mu     sync.Mutex // guards pushing, and the fields below
	last   *segment   // where the next task goes
	gate   gate       // who may push
	levels []*level   // of other priorities, highest first
}

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
	tail  atomic.Int64 // written under queue.mu
	base  int64        // slots in all segments before this one; immutable
	next  atomic.Pointer[segment]
	_     [40]byte
	slots [segmentSize]*futures.Task
}

// popper is what one worker remembers of the queue: how far a segment was filled
// when it looked last. While it knows of queued tasks it need not look again at
// the word that submitters write.
type popper struct {
	segment *segment
	tail    int64
}

// level is the FIFO of one priority other than 0. It is guarded by queue.mu.
type level struct {
	priority int
	tasks    []*futures.Task
	head     int
}

func (q *queue) init() {
	q.last = new(segment)
	q.first.Store(q.last)
}

// push adds a task at the end of its priority. The caller holds q.mu.
func (q *queue) push(t *futures.Task) {
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

func (q *queue) pushLevel(priority int, t *futures.Task) {
	i, found := slices.BinarySearchFunc(q.levels, priority, func(l *level, p int) int { return p - l.priority })
	if !found {
		q.levels = slices.Insert(q.levels, i, &level{priority: priority})
	}
	q.levels[i].tasks = append(q.levels[i].tasks, t)
	q.count(priority).Add(1)
}

func (q *queue) count(priority int) *atomic.Int32 {
	if priority > 0 {
		return &q.higher
	}
	return &q.lower
}

// pop takes the first task of the highest priority, or returns nil.
func (q *queue) pop(by *popper) *futures.Task {
	if q.higher.Load() > 0 {
		if t := q.popLevel(true); t != nil {
			return t
		}
	}
	if t := q.popDefault(by); t != nil {
		return t
	}
	if q.lower.Load() > 0 {
		return q.popLevel(false)
	}
	return nil
}

func (q *queue) popDefault(by *popper) *futures.Task {
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

func (q *queue) popLevel(higher bool) *futures.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
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

// empty reports whether there is nothing to pop.
func (q *queue) empty() bool {
	s := q.first.Load()
	for {
		h := s.head.Load()
		if h == segmentSize {
			if s = s.next.Load(); s == nil {
				break
			}
			continue
		}
		if h < s.tail.Load() {
			return false
		}
		break
	}
	return q.higher.Load() <= 0 && q.lower.Load() <= 0
}

// len returns how many tasks are queued, cancelled ones included. The caller
// holds q.mu.
func (q *queue) len() int {
	s := q.first.Load()
	popped := s.base + s.head.Load()
	pushed := q.last.base + q.last.tail.Load()
	return int(pushed-popped) + int(q.higher.Load()) + int(q.lower.Load())
}

// live returns how many tasks are queued and not cancelled. The caller holds q.mu.
func (q *queue) live() int { return max(0, q.len()-int(max(0, q.dead.Load()))) }

// buried notes that a queued task was cancelled. When most of the queue is dead
// the caller should compact it.
func (q *queue) buried() (mostlyDead bool) {
	dead := q.dead.Add(1)
	if dead < segmentSize {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return int(dead) > q.len()/2
}

// unburied notes that a cancelled task was popped.
func (q *queue) unburied() { q.dead.Add(-1) }

// drain empties the queue and returns what was in it, in order.
func (q *queue) drain() []*futures.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.drainLocked()
}

// drainLocked claims whole segments, each with one compare-and-swap. The caller
// holds q.mu, so nothing is pushed meanwhile; workers may pop in parallel.
func (q *queue) drainLocked() []*futures.Task {
	var higher, all, lower []*futures.Task
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
	for s := q.first.Load(); s != nil; s = s.next.Load() {
		for {
			h := s.head.Load()
			tail := s.tail.Load()
			if h == tail {
				break
			}
			if s.head.CompareAndSwap(h, tail) {
				all = append(all, s.slots[h:tail]...)
				clear(s.slots[h:tail])
				break
			}
		}
	}
	q.first.Store(q.last) // whatever is before is claimed
	return append(append(higher, all...), lower...)
}

// compact removes the cancelled tasks. Workers that find the queue empty while
// it goes on may park; the caller wakes one afterwards.
func (q *queue) compact() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.drainLocked() {
		if t.State() == futures.Pending {
			q.push(t)
		} else {
			q.unburied()
		}
	}
}
