package procpool

import (
	"fmt"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/taskring"
)

// Here is who looks for completions on the ring, and what becomes of them.

// await takes the role if nobody has it, and looks for completions until t is done or
// it takes too long. Who has it leaves it only after saying so and looking once more,
// so that no completion is overlooked by both sides.
func (r *pulls) await(t *futures.Task) {
	if !r.role.TryLock() {
		return
	}
	r.ring.Polling()
	r.spin.Until(func() bool {
		r.drain()
		return t.Resolved()
	})
	r.ring.Resting()
	r.role.Unlock()
	if r.completed() {
		r.ring.Bell().Ring()
	}
}

// completed reports whether there is a completion.
func (r *pulls) completed() bool {
	for _, w := range *r.members.Load() {
		if r.ring.Ready(w.number) {
			return true
		}
	}
	return false
}

// fetch is the fetcher.
func (r *pulls) fetch() {
	woken := func() bool { return r.closed.Load() || r.completed() }
	for {
		r.role.Lock()
		r.ring.Polling()
		for r.spin.Until(func() bool { return r.drain() > 0 }) {
			if r.pool.outstanding.Load() == 0 {
				break
			}
		}
		r.ring.Resting()
		r.role.Unlock()
		if r.closed.Load() {
			return
		}
		if r.pool.queue.Blocked() {
			r.pool.queue.Popped() // rung for because there is room
			r.ring.WantRoom()
			r.pool.queue.Popped()
		}
		if err := r.ring.Sleep(woken); err != nil {
			return // the bell is closed
		}
	}
}

// drain takes all completions that there are. The caller has the role.
func (r *pulls) drain() (n int) {
	for _, w := range *r.members.Load() {
		for {
			slot, ok, err := r.ring.Next(w.number)
			if err != nil {
				r.distrust(w, err)
				break
			}
			if !ok {
				break
			}
			r.take(w, slot)
			n++
		}
	}
	if n > 0 {
		r.pool.handAndGrow()
	}
	return n
}

// take finishes the job of a completed slot.
func (r *pulls) take(w *worker, slot int) {
	p := r.pool
	p.feed.Lock()
	j := r.jobs[slot]
	if j == nil {
		p.feed.Unlock()
		r.distrust(w, fmt.Errorf("%w: completion of slot %d, which has no task", taskring.ErrCorrupt, slot))
		return
	}
	j.place = placeOver
	r.started(w, j)
	p.feed.Unlock()
	w.done.Add(1)
	kind, payload, err := r.result(j, slot)
	if err != nil {
		w.kill(&doom{reason: doomProtocol, err: err}) // nobody else writes what a done task's slot says
	}
	if began := r.ring.Began(j.ticket); began > 0 {
		j.fn.counts.took(time.Duration(taskring.Monotonic() - began))
	}
	if len(payload) > taskring.Inline {
		j.fn.noteSize(len(payload))
	}
	switch {
	case err == nil && j.slow(kind):
		payload = slices.Clone(payload) // the slot is given away
	case err == nil && (!j.fn.direct || j.items > 0):
		// Who has the memory may write it while it is decoded.
		r.scratch = append(r.scratch[:0], payload...)
		payload = r.scratch
	}
	slow := err == nil && j.slow(kind)
	if err == nil && !slow {
		err = j.decode(kind, payload)
	}
	p.feed.Lock()
	r.leave(j)
	p.feed.Unlock()
	if slow {
		go p.finishSlow(j, w, kind, payload)
		return
	}
	p.fail(j, w, err)
}

// leave clears a job that is done. The caller holds feed.
func (r *pulls) leave(j *job) {
	if j.task.Timeout() > 0 {
		r.timed.Add(-1)
	}
	r.clear(j)
}

// result returns where the result of a completed slot is.
func (r *pulls) result(j *job, slot int) (resultKind, []byte, error) {
	kind, length, payload := r.ring.Result(slot)
	if kind&resultInBlock != 0 {
		payload = nil
		if j.block.Cap > 0 {
			payload = r.pool.arena.Bytes(j.block)
		}
	}
	if k := kind &^ resultInBlock; k >= uint32(resultKinds) || length > uint64(len(payload)) {
		return 0, nil, fmt.Errorf("%w: result of kind %#x and %d bytes", taskring.ErrCorrupt, kind, length)
	}
	return resultKind(kind), payload[:length], nil
}
