package taskring

import (
	"cmp"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/wake"
)

// Ring is the parent's side.
//
// What publishes, withdraws and frees is serialised by the caller, and so is what takes
// the completions of one worker; the two may go on at the same time. All other methods
// may be called at any time.
type Ring struct {
	layout
	bell *wake.Bell // rung by workers when the parent sleeps or wants room

	tail atomic.Uint64 // next ticket; changed by Publish
	free []uint32      // slots, the last freed on top

	done  [][]atomic.Uint64 // for each worker its ring of completions
	taken []atomic.Uint64   // for each worker the sequence of its next completion; advanced by Next
	words atomic.Int32      // of the lists of workers, as far as they are used
}

// Task is what a worker is told.
type Task struct {
	Function uint32
	Attempt  uint32
	Flags    uint32 // InBlock, Timed, Batch
	Context  uint32 // length of the context record at the beginning of the payload
	Length   uint64 // of the payload: record and argument
	Block    uint64 // offset of a block for what is not inline
	Size     uint64 // of the block, 0 if there is none
	Timeout  int64  // of this attempt in nanoseconds, 0 for none
	Deadline int64  // in nanoseconds since 1970, 0 for none
}

// The flags of a task.
const (
	InBlock = 1 << iota // the payload is in the block, not inline
	Timed               // the worker notes when it begins
	Batch               // the task is several calls
)

// Ticket names a published task for ever.
type Ticket struct {
	number uint64
	Slot   int
}

// ID is the ticket as one number, by which parent and worker name the task to each
// other.
func (t Ticket) ID() uint64 { return t.entry() }

// entry is the ticket's word in the order.
func (t Ticket) entry() uint64 { return t.number&ticketMask<<slotBits | uint64(t.Slot) }

// Compare returns a negative number if t was published before u, a positive one if
// after it.
func (t Ticket) Compare(u Ticket) int { return cmp.Compare(t.number, u.number) }

// SlotOf returns the slot in an ID that came from a worker, -1 if there is none such.
func (r *Ring) SlotOf(id uint64) int {
	if slot := id & slotMask; slot < uint64(len(r.slot)) {
		return int(slot)
	}
	return -1
}

// New makes a ring of slots, a power of two, for so many workers. The tickets begin
// with first, which matters to tests only.
func New(slots, workers int, first uint64) (*Ring, error) {
	bell, err := wake.NewBell()
	if err != nil {
		return nil, err
	}
	region, err := shm.Create("futures-ring", size(slots, workers))
	if err != nil {
		_ = bell.Close()
		return nil, err
	}
	l, err := newLayout(region, slots, workers)
	if err != nil {
		panic("taskring.New: " + err.Error())
	}
	r := &Ring{layout: *l, bell: bell, free: make([]uint32, slots), taken: make([]atomic.Uint64, workers)}
	region.Uint64(0).Store(magic)
	region.Uint32(offSlots).Store(uint32(slots))
	region.Uint32(offWorkers).Store(uint32(workers))
	// A word of the memory is zero before it is written, so no ticket and no sequence
	// of the first lap may be.
	first = max(first, uint64(slots))
	r.head.Store(first)
	r.tail.Store(first)
	for i := range r.free {
		r.free[i] = uint32(slots - 1 - i)
	}
	for w := range r.taken {
		r.taken[w].Store(first)
		r.done = append(r.done, l.completions(w))
	}
	return r, nil
}

// Region returns the memory, for its descriptor and its size.
func (r *Ring) Region() *shm.Region { return r.region }

// Bell returns the parent's bell.
func (r *Ring) Bell() *wake.Bell { return r.bell }

// Close gives the memory up. The workers have been buried.
func (r *Ring) Close() error {
	err := r.bell.Close()
	if e := r.region.Close(); e != nil {
		return e
	}
	return err
}

// Room reports whether a task can be published.
func (r *Ring) Room() bool {
	if len(r.free) == 0 {
		return false
	}
	if r.Pending() < len(r.order) {
		return true
	}
	// Withdrawn tasks take up the order until somebody comes by; here the parent does.
	r.skip()
	return r.Pending() < len(r.order)
}

// skip moves head past entries that are not queued.
func (r *Ring) skip() {
	for r.Pending() > 0 {
		h := r.head.Load()
		slot, queued := r.entry(h)
		if slot < 0 || queued {
			return
		}
		r.head.CompareAndSwap(h, h+1)
	}
}

// entry returns the slot of a ticket that has been published, and whether the task is
// still queued. The slot is negative if the order says nothing of that ticket.
func (r *Ring) entry(ticket uint64) (slot int, queued bool) {
	v := r.order[ticket&r.mask].Load()
	if v>>slotBits != ticket&ticketMask || v&slotMask >= uint64(len(r.slot)) {
		return -1, false
	}
	slot = int(v & slotMask)
	return slot, r.slot[slot].state.Load() == stateOf(ticket, 0, statusQueued)
}

// Publish makes a task claimable. There must be room. The payload is what goes inline.
// It wakes nobody: see WakeWorker.
func (r *Ring) Publish(t *Task, payload []byte) Ticket {
	i := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	s := &r.slot[i]
	s.function, s.attempt, s.flags, s.contextSize = t.Function, t.Attempt, t.Flags, t.Context
	s.length, s.block, s.blockSize = t.Length, t.Block, t.Size
	s.timeout, s.deadline, s.began, s.progress = t.Timeout, t.Deadline, 0, 0
	if len(payload) > 0 {
		copy(s.inline[:], payload)
	}
	ticket := r.tail.Load()
	s.state.Store(stateOf(ticket, 0, statusQueued))
	// From the next line on it may be claimed, and head be one ahead of tail.
	r.order[ticket&r.mask].Store(Ticket{ticket, int(i)}.entry())
	r.tail.Store(ticket + 1)
	return Ticket{ticket, int(i)}
}

// Withdraw takes back a task that no worker has claimed, and reports whether it could
// (R1). The slot is the caller's to free.
func (r *Ring) Withdraw(t Ticket) bool {
	return r.slot[t.Slot].state.CompareAndSwap(stateOf(t.number, 0, statusQueued), stateOf(t.number, 0, statusWithdrawn))
}

// Owner returns the worker that has claimed a task, or -1, and whether the task is done.
func (r *Ring) Owner(t Ticket) (worker int, done bool) {
	state := r.slot[t.Slot].state.Load()
	if state>>slotBits != t.number&ticketMask {
		return -1, false
	}
	switch statusOf(state) {
	case statusClaimed, statusBegun:
		return ownerOf(state) - 1, false
	case statusDone:
		return ownerOf(state) - 1, true
	}
	return -1, false
}

// Sound reports whether the memory says of a published task what it can: that it is
// queued, or that some worker has it (R5).
func (r *Ring) Sound(t Ticket) bool {
	head := r.head.Load() // first: it passes a task only after that was claimed
	state := r.slot[t.Slot].state.Load()
	if state>>slotBits != t.number&ticketMask || ownerOf(state) > r.workers {
		return false
	}
	switch statusOf(state) {
	case statusQueued:
		return ownerOf(state) == 0 && t.number-head < uint64(len(r.order)) && r.order[t.number&r.mask].Load() == t.entry()
	case statusClaimed, statusBegun, statusDone:
		return ownerOf(state) > 0
	}
	return statusOf(state) == statusTaken
}

// Adrift reports whether a task is between two states where none stays for long: claimed
// and not begun, begun by a worker that says it runs another, or done without a completion
// to be taken. What stays there was stopped or written over, and never arrives.
func (r *Ring) Adrift(t Ticket) bool {
	state := r.slot[t.Slot].state.Load()
	worker := ownerOf(state) - 1
	if state>>slotBits != t.number&ticketMask || worker < 0 || worker >= r.workers {
		return false
	}
	switch statusOf(state) {
	case statusClaimed:
		return true
	case statusBegun:
		return r.Current(worker) != t.Slot
	case statusDone:
		return !r.Ready(worker)
	}
	return false
}

// HeadSound reports whether head is where it can be.
func (r *Ring) HeadSound() bool {
	h := r.head.Load()
	return r.tail.Load()-h+1 <= uint64(len(r.order))+1
}

// WakeAll wakes all workers, announced or not.
func (r *Ring) WakeAll() {
	for w := range int(r.words.Load()) * 64 {
		if w < r.workers {
			c := r.control(w)
			c.park.Store(0)
			wake.FutexWake(c.park, 1)
		}
	}
}

// Current returns the slot of the task that a worker runs, as it says; -1 for none.
func (r *Ring) Current(worker int) int {
	if v := r.control(worker).current.Load(); v > 0 && v <= uint64(len(r.slot)) {
		return int(v - 1)
	}
	return -1
}

// Began returns when a Timed task began, in nanoseconds of Monotonic; 0 if it has not.
func (r *Ring) Began(t Ticket) int64 { return atomic.LoadInt64(&r.slot[t.Slot].began) }

// Free gives the slot of a task that was withdrawn, or that Next or Bury returned, back.
func (r *Ring) Free(slot int) {
	if assert.Enabled {
		status := statusOf(r.slot[slot].state.Load())
		assert.That(status == statusWithdrawn || status == statusTaken, "R1: slot %d is freed with status %d", slot, status)
	}
	r.free = append(r.free, uint32(slot))
}

// Pending returns how many tasks were published and not passed by head, withdrawn ones
// included: an upper bound of Queued that costs two loads. It is at most the number of slots,
// also if head was written over (R5).
func (r *Ring) Pending() int {
	h := r.head.Load() // first, since it may pass what the tail was
	return min(max(0, int(r.tail.Load()-h)), len(r.order))
}

// Queued counts the tasks that are queued. What is published or claimed meanwhile may
// count or not.
func (r *Ring) Queued() (n int) {
	h := r.head.Load()
	for range r.Pending() {
		if _, queued := r.entry(h); queued {
			n++
		}
		h++
	}
	return n
}

// Next takes the next completion of a worker, if there is one. An error means that the
// worker, or a peer, writes what it must not (R5).
func (r *Ring) Next(worker int) (slot int, ok bool, err error) {
	sequence := r.taken[worker].Load()
	v := r.completion(worker, sequence).Load()
	if v>>slotBits != sequence&ticketMask {
		return 0, false, nil
	}
	r.taken[worker].Store(sequence + 1)
	if v&slotMask >= uint64(len(r.slot)) {
		return 0, false, fmt.Errorf("%w: completion of slot %d of %d", ErrCorrupt, v&slotMask, len(r.slot))
	}
	slot = int(v & slotMask)
	state := r.slot[slot].state.Load()
	if statusOf(state) != statusDone || ownerOf(state) != worker+1 {
		return 0, false, fmt.Errorf("%w: completion of slot %d, which is in state %#x", ErrCorrupt, slot, state&0xffffff)
	}
	r.take(slot, state)
	return slot, true, nil
}

// Seize takes a task that a worker has begun and abandoned. It reports false if the
// worker does not have the task.
func (r *Ring) Seize(t Ticket, worker int) bool {
	return r.slot[t.Slot].state.CompareAndSwap(stateOf(t.number, worker+1, statusBegun), stateOf(t.number, 0, statusTaken))
}

// take makes a slot the parent's, so that Bury does not find it any more.
func (r *Ring) take(slot int, state uint64) {
	r.slot[slot].state.Store(state>>slotBits<<slotBits | statusTaken)
}

func (r *Ring) completion(worker int, sequence uint64) *atomic.Uint64 {
	return &r.done[worker][sequence&r.mask]
}

// Ready reports whether Next would find something, or has found it a moment ago.
func (r *Ring) Ready(worker int) bool {
	sequence := r.taken[worker].Load()
	return r.completion(worker, sequence).Load()>>slotBits == sequence&ticketMask
}

// Result returns what a completed task's worker said of the result: its kind, its
// length, and the slot's inline bytes, where it is if it fits there.
func (r *Ring) Result(slot int) (kind uint32, length uint64, inline []byte) {
	s := &r.slot[slot]
	return atomic.LoadUint32(&s.kind), atomic.LoadUint64(&s.resultSize), s.inline[:]
}

// Progress returns which of a Batch's calls its worker was making last.
func (r *Ring) Progress(slot int) int { return int(atomic.LoadUint32(&r.slot[slot].progress)) }

// Enlist prepares the place of a worker for a new process.
func (r *Ring) Enlist(worker int) {
	for words := int32(worker/64 + 1); ; {
		if have := r.words.Load(); have >= words || r.words.CompareAndSwap(have, words) {
			break
		}
	}
	c := r.control(worker)
	c.park.Store(0)
	c.retire.Store(0)
	c.current.Store(0)
	c.sequence.Store(r.taken[worker].Load())
}

// Retire asks a worker to claim nothing more.
func (r *Ring) Retire(worker int) {
	c := r.control(worker)
	c.retire.Store(1)
	wake.Wake(c.park)
}

// Lost is a task that a dead worker had.
type Lost struct {
	Slot  int
	Begun bool // or it was still being taken over
	Done  bool // the result is there, only the completion was not published
}

// Bury takes a dead worker off the lists and returns what it had claimed and not
// completed (R2). Its completions have been taken before. The slots are the caller's
// to free.
func (r *Ring) Bury(worker int) (lost []Lost) {
	word, bit := worker/64, uint64(1)<<(worker%64)
	r.spinning[word].And(^bit)
	r.parked[word].And(^bit)
	for i := range r.slot {
		state := r.slot[i].state.Load()
		if ownerOf(state) != worker+1 {
			continue
		}
		switch status := statusOf(state); status {
		case statusClaimed, statusBegun, statusDone:
			r.take(i, state)
			lost = append(lost, Lost{i, status != statusClaimed, status == statusDone})
		}
	}
	return lost
}

// WakeWorker wakes a parked worker if more tasks are queued than workers spin (R4).
// It reports whether it woke one.
func (r *Ring) WakeWorker() bool {
	wake.Fence()
	pending, spinning := r.Pending(), 0
	words := int(r.words.Load())
	for i := range words {
		spinning += bits.OnesCount64(r.spinning[i].Load())
	}
	if pending <= spinning {
		return false
	}
	for i := range words {
		for {
			word := r.parked[i].Load()
			if word == 0 {
				break
			}
			w := bits.TrailingZeros64(word)
			if !r.parked[i].CompareAndSwap(word, word&^(1<<w)) {
				continue
			}
			if worker := i*64 + w; worker < r.workers {
				wake.Wake(r.control(worker).park)
				return true
			}
		}
	}
	return false
}

// WantRoom makes workers ring the bell once after the next claim. Who calls it looks
// at Queued afterwards.
func (r *Ring) WantRoom() {
	r.room.Store(1)
	wake.Fence()
}

// Polling tells workers that the parent looks for completions, so that none rings.
func (r *Ring) Polling() { r.sleeping.Store(0) }

// Resting takes Polling back. The caller looks for completions once more afterwards.
func (r *Ring) Resting() {
	r.sleeping.Store(1)
	wake.Fence()
}

// Sleep blocks the goroutine until ready reports true. Workers that complete something
// ring for it, as do those who claim something when room is wanted.
func (r *Ring) Sleep(ready func() bool) error { return r.bell.Sleep(r.sleeping, ready) }
