package procpool

import (
	"time"

	"github.com/futures-go/futures/internal/taskring"
)

// overtimeTick is how often running tasks with a timeout are looked at.
const overtimeTick = 5 * time.Millisecond

// watchOvertime has running tasks with a timeout looked at, as long as there are any.
func (r *pulls) watchOvertime() {
	r.timed.Add(1)
	if r.overtime.CompareAndSwap(false, true) {
		time.AfterFunc(overtimeTick, r.lookForOvertime)
	}
}

// lookForOvertime kills workers whose task does not heed its timeout.
func (r *pulls) lookForOvertime() {
	p := r.pool
	now := taskring.Monotonic()
	type late struct {
		w *worker
		j *job
	}
	var all []late
	p.feed.Lock()
	for _, w := range *r.members.Load() {
		slot := r.ring.Current(w.number)
		if slot < 0 {
			continue
		}
		j := r.jobs[slot]
		if j == nil || j.task.Timeout() == 0 || !r.holds(w, j) {
			continue
		}
		if began := r.ring.Began(j.ticket); began > 0 && now-began > int64(j.task.Timeout()+p.grace()) {
			r.started(w, j)
			all = append(all, late{w, j})
		}
	}
	p.feed.Unlock()
	for _, l := range all {
		p.overdue(l.w, l.j, doomTimeout)
	}
	r.overtime.Store(false)
	if r.timed.Load() > 0 && r.overtime.CompareAndSwap(false, true) {
		time.AfterFunc(overtimeTick, r.lookForOvertime)
	}
}
