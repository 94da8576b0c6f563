// Package taskqueue is the bounded queue in front of an executor's workers: tasks
// that no worker owns, in the order of their priority and among equals in the
// order in which they came.
//
// Pushing is serialised by a mutex and may have to wait for room. Popping is
// lock-free for tasks of priority 0, so that workers do not stand in each other's
// way or in the submitters'. Cancelling a task needs no access to the queue at
// all: the task's own phase says so, and whoever pops it skips it.
//
// Q1: the one who pops a task owns it; each task is popped or drained once.
//
// Q2: tasks of one priority leave in the order in which Push or Requeue put them
// in, and before all tasks of a lower priority that were there.
//
// Q3: what was pushed is visible to Empty and Pop once Push has returned or, for
// those who waited for room, once the function given to New has been called.
//
// Q4: at most the capacity of tasks are queued, cancelled ones not counted, and
// but for those that Requeue puts back.
package taskqueue

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures"
)

// Queue is made by New. Its methods may be called from any goroutine.
type Queue struct {
	// Workers read this line for each task; it changes rarely.
	first   atomic.Pointer[segment] // where workers pop; only ever moves forward
	higher  atomic.Int32            // tasks in levels of priority above 0; changed under mu
	lower   atomic.Int32            // tasks in levels of priority below 0; changed under mu
	dead    atomic.Int64            // cancelled tasks that are still in the queue
	blocked atomic.Int32            // len(gate.submitters); changed under mu

	// compactions counts the beginnings and ends of compact: while it is odd, tasks
	// are in its hands. Changed under mu.
	compactions atomic.Uint32
	_           [32]byte

	// Submitters write this line for each task.
	mu     sync.Mutex // guards pushing, and the fields below
	last   *segment   // where the next task goes
	gate   gate       // who may push
	levels []*level   // of other priorities, highest first

	capacity int        // immutable
	reject   bool       // immutable: refuse instead of waiting for room
	pushed   func()     // immutable: called without locks after tasks of others became visible
	outside  func() int // immutable: see CountOutside
}

// New returns an empty queue for capacity tasks. If reject is set, Push refuses
// when it is full instead of waiting. pushed is called, without locks, when tasks
// became visible by a call other than the Push or Requeue of their own.
func New(capacity int, reject bool, pushed func()) *Queue {
	q := &Queue{last: new(segment), capacity: capacity, reject: reject, pushed: pushed}
	q.first.Store(q.last)
	return q
}

// CountOutside makes count part of how full the queue is: tasks that were popped and
// still wait for a worker somewhere else. It is called with the queue locked, and
// Popped is called when it has become less. It is set before the queue is used.
func (q *Queue) CountOutside(count func() int) { q.outside = count }

// Cancelled notes that a task was cancelled while it was queued. It stays there
// until it is popped, or most of the queue is dead.
func (q *Queue) Cancelled() {
	if q.dead.Add(1) >= segmentSize && q.compact() {
		q.pushed()
	}
	q.Popped()
}

// Skipped notes that a task that was popped or drained had been cancelled while
// it was queued.
func (q *Queue) Skipped() { q.dead.Add(-1) }

// compact removes the cancelled tasks if they are the larger part. Meanwhile there
// may be nothing to pop, but the queue does not say that it is empty.
func (q *Queue) compact() (done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if int(q.dead.Load()) <= q.len()/2 {
		return false
	}
	q.compactions.Add(1)
	defer q.compactions.Add(1)
	for _, l := range slices.Clone(q.levels) {
		was := len(l.tasks) - l.head
		l.tasks, l.head = slices.DeleteFunc(slices.Clone(l.tasks[l.head:]), q.isDead), 0
		q.count(l.priority).Add(int32(len(l.tasks) - was))
	}
	q.levels = slices.DeleteFunc(q.levels, func(l *level) bool { return len(l.tasks) == 0 })
	for _, t := range q.claimDefault() {
		if !q.isDead(t) {
			q.push(t)
		}
	}
	return true
}

// isDead reports whether a queued task was cancelled, and if so counts it no more.
func (q *Queue) isDead(t *futures.Task) bool {
	if t.Pending() {
		return false
	}
	q.Skipped()
	return true
}

// Drain empties the queue and returns what was in it, in order.
func (q *Queue) Drain() []*futures.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.claimAll()
}

// Len returns how many tasks are queued, cancelled ones and those outside not
// counted, and how many submitters wait for room.
func (q *Queue) Len() (queued, blocked int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.live(), len(q.gate.submitters)
}

// Blocked reports whether submitters wait for room.
func (q *Queue) Blocked() bool { return q.blocked.Load() > 0 }

// room returns how many pushes fit. The caller holds q.mu.
func (q *Queue) room() int {
	room := q.capacity - q.live()
	if q.outside != nil {
		room -= q.outside()
	}
	return room
}
