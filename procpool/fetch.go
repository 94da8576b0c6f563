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

// completion is a task that a worker has completed.
type completion struct {
	w    *worker
	slot int
	job  *job

	kind    resultKind
	payload []byte // if it is to be decoded by somebody else
	err     error  // what the task fails with; nil for success
	slow    bool   // code of users runs when it is decoded
}

// mostCompletions is how many are taken at a time: enough to make the locks a small part of
// the cost.
const mostCompletions = 64

// drain takes the completions that there are, and has what is queued take their places. It
// returns how many there were. The caller has the role.
func (r *pulls) drain() int {
	p := r.pool
	r.batch = r.batch[:0]
	for _, w := range *r.members.Load() {
		for len(r.batch) < mostCompletions {
			slot, ok, err := r.ring.Next(w.number)
			if err != nil {
				r.distrust(w, err)
			}
			if !ok {
				break
			}
			r.batch = append(r.batch, completion{w: w, slot: slot})
		}
	}
	if len(r.batch) == 0 {
		return 0
	}
	p.feed.Lock()
	for i := range r.batch {
		c := &r.batch[i]
		if c.job = r.jobs[c.slot]; c.job == nil {
			continue
		}
		c.job.place = placeOver
		r.started(c.w, c.job)
	}
	p.feed.Unlock()
	for i := range r.batch {
		if c := &r.batch[i]; c.job != nil {
			r.decode(c)
		} else {
			r.distrust(c.w, fmt.Errorf("%w: completion of slot %d, which has no task", taskring.ErrCorrupt, c.slot))
		}
	}
	p.feed.Lock()
	for i := range r.batch {
		if j := r.batch[i].job; j != nil {
			r.leave(j)
		}
	}
	handed := r.publishQueued()
	p.feed.Unlock()
	r.wake(handed)
	for i := range r.batch {
		c := &r.batch[i]
		switch {
		case c.job == nil:
		case c.slow:
			go p.finishSlow(c.job, c.w, c.kind, c.payload)
		default:
			p.fail(c.job, c.w, c.err)
		}
		c.job, c.payload = nil, nil // not kept until the next batch
	}
	p.grow()
	return len(r.batch)
}

// decode reads the result of a completed task, while its slot and block are still its own.
func (r *pulls) decode(c *completion) {
	j := c.job
	c.w.done.Add(1)
	kind, payload, err := r.result(j, c.slot)
	if err != nil {
		c.err = err
		c.w.kill(&doom{reason: doomProtocol, err: err}) // nobody else writes what a done task's slot says
		return
	}
	if began := r.ring.Began(j.ticket); began > 0 {
		j.fn.counts.Took(time.Duration(taskring.Monotonic() - began))
	}
	if len(payload) > taskring.Inline {
		j.fn.noteSize(len(payload))
	}
	if c.slow = j.slow(kind); c.slow {
		c.kind, c.payload = kind, slices.Clone(payload)
		return
	}
	if !j.fn.direct || j.items > 0 || kind != resultValue {
		// Who has the memory may write it while it is decoded.
		r.scratch = append(r.scratch[:0], payload...)
		payload = r.scratch
	}
	c.err = j.decode(kind, payload)
	if cap(r.scratch) > mostHint {
		r.scratch = nil
	}
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
