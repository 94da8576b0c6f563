package taskring

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/wake"
)

// Worker is the side of a worker process. Next, Begin and Complete are called by one
// goroutine at a time.
type Worker struct {
	layout
	number int
	bell   *wake.Bell // the parent's
	ctl    control
	next   uint64 // sequence of the next completion
	spin   wake.Spin
	done   []atomic.Uint64 // the ring of completions
}

// Claim is a task that this worker owns.
type Claim struct {
	Task
	ticket  uint64
	slot    int
	Payload [Inline]byte // unless it is in the block
}

// Attach makes this process the worker of that number. The region's and the bell's
// descriptors are owned by the Worker then. After an error the bell's is the caller's, and the
// region's too unless it is memory, which is given up.
func Attach(region, bell, number int) (_ *Worker, err error) {
	r, err := shm.Open(region, offControl)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = r.Unmap()
		}
	}()
	slots, workers := r.Uint32(offSlots).Load(), r.Uint32(offWorkers).Load()
	if got := r.Uint64(0).Load(); got != magic {
		return nil, fmt.Errorf("%w: the magic number is %#x", ErrCorrupt, got)
	}
	l, err := newLayout(r, int(slots), int(workers))
	if err != nil {
		return nil, err
	}
	if number < 0 || number >= l.workers {
		return nil, fmt.Errorf("%w: worker %d of %d", ErrCorrupt, number, l.workers)
	}
	b, err := wake.OpenBell(bell)
	if err != nil {
		return nil, err
	}
	w := &Worker{layout: *l, number: number, bell: b, ctl: l.control(number), done: l.completions(number)}
	w.next = w.ctl.sequence.Load()
	w.spin.Max = wake.DefaultSpin
	return w, nil
}

// Next claims a task, waiting for one if need be. It returns false when the worker is
// to retire.
func (w *Worker) Next(c *Claim) bool {
	for {
		if w.ctl.retire.Load() != 0 {
			return false
		}
		if w.claim(c) {
			return true
		}
		w.wait()
	}
}

// claim takes the first queued task, if there is one (R1).
func (w *Worker) claim(c *Claim) bool {
	for {
		h := w.head.Load()
		v := w.order[h&w.mask].Load()
		if v>>slotBits != h&ticketMask {
			if w.head.Load() == h {
				return false // not published yet
			}
			continue
		}
		i := v & slotMask
		if i >= uint64(len(w.slot)) {
			panic(fmt.Sprintf("taskring: slot %d of %d in the order", i, len(w.slot)))
		}
		s := &w.slot[i]
		claimed := s.state.CompareAndSwap(stateOf(h, 0, statusQueued), stateOf(h, w.number+1, statusClaimed))
		if claimed {
			assert.Reach("claimed, head not advanced")
		}
		w.head.CompareAndSwap(h, h+1)
		if !claimed {
			continue
		}
		if w.room.Load() != 0 && w.room.Swap(0) != 0 {
			w.bell.Ring()
		}
		assert.Reach("claimed")
		c.ticket, c.slot = h, int(i)
		w.ctl.current.Store(i + 1)
		c.Function, c.Attempt, c.Flags, c.Context = s.function, s.attempt, s.flags, s.contextSize
		c.Length, c.Block, c.Size = s.length, s.block, s.blockSize
		c.Timeout, c.Deadline = s.timeout, s.deadline
		if c.Flags&InBlock == 0 {
			n := min(c.Length, Inline)
			copy(c.Payload[:n], s.inline[:n])
		}
		return true
	}
}

// ID tells the claim from all others of this ring.
func (c *Claim) ID() uint64 { return Ticket{c.ticket, c.slot}.ID() }

// published reports whether there is something to claim, or may be.
func (w *Worker) published() bool {
	h := w.head.Load()
	return w.order[h&w.mask].Load()>>slotBits == h&ticketMask || w.ctl.retire.Load() != 0
}

// wait returns when there may be something to claim. Few spin, the others park at once.
func (w *Worker) wait() {
	word, bit := w.number/64, uint64(1)<<(w.number%64)
	if w.maySpin() {
		w.spinning[word].Or(bit)
		found := w.spin.Until(w.published)
		w.spinning[word].And(^bit)
		if found || w.published() {
			return
		}
	}
	// The announcement is made again before each sleep, since a waker takes it away (R4).
	parked := &w.parked[word]
	ready := func() bool {
		if w.published() {
			return true
		}
		parked.Or(bit)
		return w.published()
	}
	runtime.LockOSThread()
	err := wake.Sleep(w.ctl.park, ready)
	runtime.UnlockOSThread()
	parked.And(^bit)
	if err != nil {
		// Without futexes, which New has tried, there is only this.
		time.Sleep(time.Millisecond)
	}
}

// maySpin reports whether this worker may spin: at most half of the processors do,
// since the others have work to do.
func (w *Worker) maySpin() bool {
	spinning := 0
	for i := range w.spinning {
		spinning += bits.OnesCount64(w.spinning[i].Load())
	}
	return spinning < max(1, runtime.NumCPU()/2)
}

// Begin says that user code runs now: from here on the task is not run again if the
// worker dies (R2).
func (w *Worker) Begin(c *Claim) {
	s := &w.slot[c.slot]
	if c.Flags&Timed != 0 {
		atomic.StoreInt64(&s.began, Monotonic())
	}
	s.state.Store(stateOf(c.ticket, w.number+1, statusBegun))
	assert.Reach("begun")
}

// Progress notes which of a Batch's calls is made now.
func (w *Worker) Progress(c *Claim, i int) {
	// An ordinary store, which is much cheaper: it is read after this process has died.
	w.slot[c.slot].progress = uint32(i)
}

// Inline returns where a result of up to Inline bytes goes.
func (w *Worker) Inline(c *Claim) []byte { return w.slot[c.slot].inline[:] }

// Complete publishes the result of a task.
func (w *Worker) Complete(c *Claim, kind uint32, length uint64) {
	s := &w.slot[c.slot]
	s.kind, s.resultSize = kind, length
	assert.Reach("result written, not done")
	s.state.Store(stateOf(c.ticket, w.number+1, statusDone))
	assert.Reach("done, not published")
	w.ctl.current.Store(0)
	w.done[w.next&w.mask].Store(w.next&ticketMask<<slotBits | uint64(c.slot))
	w.next++
	assert.Reach("published, bell not rung")
	w.bell.Wake(w.sleeping)
}

// Abandon leaves a task whose result took another way to the parent, which calls
// Seize.
func (w *Worker) Abandon() { w.ctl.current.Store(0) }
