package procpool

import (
	"syscall"
	"time"

	"github.com/futures-go/futures"
)

// transport is how tasks get to workers and outcomes back. There are two: frames, for
// everywhere, and a ring in shared memory.
//
// The methods marked so are called with Pool.feed held.
type transport interface {
	// files are what a worker inherits beside its pipes.
	files(w *worker) []syscall.Conn
	// enlist prepares for a process that is about to be started.
	enlist(w *worker)
	// welcome sends WELCOME.
	welcome(w *worker, msg *welcome) error
	// ready lets a worker have tasks.
	ready(w *worker)
	// handle takes a frame about a task. The error is that of a worker that does not
	// keep to the protocol.
	handle(w *worker, f frame) error
	// retire makes a worker take no more tasks and go when it has finished.
	retire(w *worker)
	// ahead reports whether a worker may have a task before the pool has heard that it is
	// ready.
	ahead() bool
	// bury takes a dead worker's jobs; those in done have an outcome all the same.
	bury(w *worker) (lost []lostJob)

	// hand hands over what is queued as far as there is room.
	hand()
	// withdraw takes back a job that was handed over; or, if a worker has it, calls
	// Started and returns false. With feed held.
	withdraw(j *job) bool
	// refresh calls Started if a worker has started the job. With feed held.
	refresh(j *job)
	// recall takes back all that no worker has started, in order. With feed held.
	recall() []*job
	// handed returns the jobs that were handed over, with feed held.
	handed() []*job
	// idOf returns the id by which frames name a job that was handed over, with feed held.
	// Each attempt has its own.
	idOf(j *job) uint64
	// current returns the job that a worker runs and since when, if that is known, with
	// feed and Pool.mu held.
	current(w *worker) (j *job, since time.Time)
	// holds reports whether a worker has a job and has not completed it, with feed held.
	holds(w *worker, j *job) bool
	// waiting returns how many jobs were handed over and have not been started.
	waiting() int
	// await helps a goroutine that is about to wait for t.
	await(t *futures.Task)
	// close gives up what is shared, after the last worker.
	close() error
}

// lostJob is a job that a dead worker had.
type lostJob struct {
	job   *job
	begun bool // user code may have run
	// Of a batch, which call the worker was making; negative if that is not known.
	progress int
	// What the worker had written before it died, if it had: then the job is done.
	finished bool
	kind     resultKind
	payload  []byte
}

// next returns the job to hand over next: it is placeHanded, and the caller's. The
// caller holds feed. Afterwards it calls Popped on the queue.
func (p *Pool) next() *job {
	if p.refuses.Load() {
		return nil // refuseAll takes them
	}
	for {
		if n := len(p.returned); n > 0 && !p.queue.Above(p.returned[0].task.Priority()) {
			j := p.returned[0]
			p.returned = p.returned[1:]
			if j.place != placeReturned {
				continue // withdrawn
			}
			j.place = placeHanded
			return j
		}
		t := p.queue.Pop(&p.popper)
		if t == nil {
			return nil
		}
		j := t.Host().(*job)
		if j.place != placeQueued {
			p.queue.Skipped() // Cancelled counted it
			continue
		}
		j.place = placeHanded
		return j
	}
}
