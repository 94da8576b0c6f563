package procpool

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/internal/taskring"
)

// While there are jobs on the ring or at workers, somebody looks at them now and then: after
// tasks with a timeout, if there are any, and after the memory itself, which a worker gone
// wild may have written anything to (PP7). What nobody will claim or complete any more would
// otherwise be waited for for ever.

const (
	overtimeTick = 5 * time.Millisecond // between two looks at tasks with a timeout
	memoryTick   = time.Second          // between two looks at the memory
)

// tick calls look after a while, unless that is about to happen already.
func tick(armed *atomic.Bool, after time.Duration, look func()) {
	if !armed.Load() && armed.CompareAndSwap(false, true) {
		time.AfterFunc(after, func() {
			armed.Store(false) // before looking: what comes now is looked at next time
			look()
		})
	}
}

func (r *pulls) watchOvertime() { tick(&r.overtimeArmed, overtimeTick, r.lookForOvertime) }
func (r *pulls) watchMemory()   { tick(&r.memoryArmed, memoryTick, r.lookAtMemory) }

// lookAtMemory gives the memory up if it says what it cannot, and ends workers whose task
// will never arrive.
func (r *pulls) lookAtMemory() {
	p := r.pool
	p.feed.Lock()
	unsound := r.unsound()
	lost := r.lookForAdrift()
	left := slices.ContainsFunc(r.jobs, func(j *job) bool { return j != nil })
	p.feed.Unlock()
	if unsound != nil {
		r.corrupt(unsound)
		return
	}
	for _, l := range lost {
		l.w.kill(&doom{reason: doomProtocol, err: fmt.Errorf("procpool: it stopped between claiming and completing a task of %s", l.j.fn.name)})
	}
	if !left {
		return
	}
	if r.ring.Queued() > 0 {
		// Nobody is missing a wake-up, unless somebody has written over it.
		r.ring.WakeAll()
		r.ring.Bell().Ring()
	}
	r.watchMemory()
}

// lookForOvertime kills workers whose task does not heed its timeout.
func (r *pulls) lookForOvertime() {
	p := r.pool
	p.feed.Lock()
	late := r.overtime()
	p.feed.Unlock()
	for _, l := range late {
		p.overdue(l.w, l.j, l.id, doomTimeout)
	}
	if r.timed.Load() > 0 {
		r.watchOvertime()
	}
}

type workerJob struct {
	w  *worker
	j  *job
	id uint64 // of the attempt
}

// overtime returns the jobs that do not heed their timeout. The caller holds feed.
func (r *pulls) overtime() (late []workerJob) {
	now := taskring.Monotonic()
	for _, w := range *r.members.Load() {
		slot := r.ring.Current(w.number)
		if slot < 0 {
			continue
		}
		j := r.jobs[slot]
		if j == nil || j.task.Timeout() == 0 || !r.holds(w, j) {
			continue
		}
		if began := r.ring.Began(j.ticket); began > 0 && now-began > int64(j.task.Timeout()+r.pool.grace()) {
			r.started(w, j)
			late = append(late, workerJob{w, j, r.idOf(j)})
		}
	}
	return late
}

// unsound returns what is wrong with the memory. The caller holds feed.
func (r *pulls) unsound() error {
	if !r.ring.HeadSound() {
		return fmt.Errorf("%w: the head of the ring", taskring.ErrCorrupt)
	}
	for _, j := range r.jobs {
		if j == nil || j.place != placeHanded {
			continue
		}
		if !r.ring.Sound(j.ticket) {
			return fmt.Errorf("%w: the slot of a task of %s", taskring.ErrCorrupt, j.fn.name)
		}
		if number, _ := r.ring.Owner(j.ticket); number >= 0 && r.member(number) == nil {
			return fmt.Errorf("%w: a task of %s has worker %d, which there is not", taskring.ErrCorrupt, j.fn.name, number)
		}
	}
	return nil
}

// lookForAdrift returns the workers that have a task which was adrift at the last look too.
// They are killed, so that their burial tells what became of it. The caller holds feed.
func (r *pulls) lookForAdrift() (lost []workerJob) {
	for _, j := range r.jobs {
		if j == nil || j.place != placeHanded {
			continue
		}
		was := j.adrift
		if j.adrift = r.ring.Adrift(j.ticket); !was || !j.adrift {
			continue
		}
		number, _ := r.ring.Owner(j.ticket)
		if w := r.member(number); w != nil {
			lost = append(lost, workerJob{w, j, r.idOf(j)})
		}
	}
	return lost
}

// member returns the worker of that number, or nil.
func (r *pulls) member(number int) *worker {
	for _, w := range *r.members.Load() {
		if w.number == number {
			return w
		}
	}
	return nil
}

// corrupt gives the memory up: some worker has written over it, and nothing that it says
// can be believed any more. All that was handed over fails, and the pool is broken.
func (r *pulls) corrupt(cause error) {
	p := r.pool
	p.breakDown(cause)
	p.feed.Lock()
	var lost []*job
	for slot, j := range r.jobs {
		if j != nil && j.place == placeHanded {
			j.place = placeOver
			j.task.Started(0)
			lost = append(lost, j)
			r.jobs[slot] = nil
		}
	}
	r.lowest, r.given = math.MinInt, true
	p.feed.Unlock()
	p.killWorkers(func(w *worker) { w.kill(&doom{reason: doomKilled, err: cause}) })
	for _, j := range lost {
		p.fail(j, nil, &brokenError{pool: p.opts.Name, task: j.fn.name, cause: cause})
	}
}

// distrust handles a completion or frame that no correct worker makes: if the memory is
// what is wrong, all of it is given up, else only the worker.
func (r *pulls) distrust(w *worker, err error) {
	if errors.Is(err, taskring.ErrCorrupt) {
		go r.corrupt(err) // the caller has the role
		return
	}
	w.kill(&doom{reason: doomProtocol, err: err})
}
