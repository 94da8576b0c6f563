package procpool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// The supervisor decides how many workers there are: it starts them when there are
// tasks for them, replaces those that die, waits between attempts that fail, and gives
// up when nothing helps. It has no goroutine of its own; whoever learns something calls
// it. Its fields are guarded by Pool.mu.
type supervisor struct {
	workers  map[int]*worker // by number; each is deleted when it is gone
	restarts map[int]int     // by number: workers that died there without being asked to go
	failures int             // deaths before ready, since a worker was ready or a task finished
	last     error           // the cause of the last of them
	pause    *time.Timer     // until the next start after a failure; nil if there is none
	reaper   *time.Timer     // looks for idle workers; nil if there are neither workers nor tasks
	over     bool            // the pool is closed and the last worker has gone: no other one comes
}

const (
	// A worker that dies before it is ready is followed by the next one after a while
	// that doubles, less a random part of up to a quarter.
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second

	// After so many of them in a row, if no other worker is left, the pool is broken.
	mostFailures = 3

	// A worker that was ready and dies before it has begun anything counts too, since
	// that may go on for ever. But it is likelier to be bad luck: the first ones cost no
	// pause, and more are suffered.
	freeFailures   = 2
	mostIdleDeaths = 20
)

// grow starts workers for tasks that have none.
func (p *Pool) grow() {
	if p.wanting.Load() <= int64(p.live.Load()) || p.live.Load() >= p.limit.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.growLocked(0)
}

// growLocked starts as many workers as there are tasks, and at least as many as given,
// but not more than there may be. The caller holds p.mu.
func (p *Pool) growLocked(least int) {
	if p.over || p.killed != nil || p.broken != nil || p.pause != nil {
		return
	}
	need := max(int64(least), p.wanting.Load()-int64(p.delays.Len()))
	for int64(p.live.Load()) < min(need, int64(p.limit.Load())) {
		p.startWorker()
		if p.failures > 0 {
			return // one at a time, until one succeeds
		}
	}
}

// startWorker begins the life of a worker. The caller holds p.mu.
func (p *Pool) startWorker() {
	number := 0
	for p.workers[number] != nil {
		number++
	}
	w := &worker{pool: p, number: number, restarts: p.restarts[number], seen: -1}
	p.workers[number] = w
	p.live.Add(1)
	if p.reaper == nil && p.opts.IdleTimeout > 0 {
		p.reaper = time.AfterFunc(p.opts.IdleTimeout, p.reap)
	}
	go w.live()
}

// bury accounts for what a dead worker had, and replaces it. cause is why it could not
// be started, if that is what happened.
func (p *Pool) bury(w *worker, cause error) {
	lost := p.transport.bury(w)
	planned := cause == nil && w.bye.Load() && w.exit.Code == 0
	var breaking error // BreakOnCrash
	begun := false     // it has died with a task
	for _, l := range lost {
		switch {
		case l.finished:
			p.deliver(l.job, w, l.kind, l.payload)
		case !l.begun:
			p.again(l.job, w)
		default:
			if b := l.job.task.Batch(); b != nil && l.progress >= 0 {
				b.Lost(l.progress + 1)
			}
			err := w.verdict(l.job)
			if p.opts.BreakOnCrash && breaking == nil && w.doom.Load() == nil {
				breaking = err
				err = &brokenError{pool: p.opts.Name, task: l.job.fn.name, cause: err}
			}
			begun = true
			p.fail(l.job, w, err)
		}
	}
	if cause == nil && !planned {
		cause = w.deathBeforeReady()
	}

	p.mu.Lock()
	asked := w.state == stateRetiring || p.killed != nil
	p.moveLocked(w, stateGone)
	delete(p.workers, w.number)
	p.live.Add(-1)
	least := 0
	switch {
	case planned || asked:
	case !w.ready.Load():
		p.restarts[w.number]++
		p.failed(cause, 0)
	case w.done.Load() == 0 && !begun:
		// It may have died of what it was about to begin; but once is nothing.
		p.restarts[w.number]++
		least = int(p.live.Load()) + 1
		p.failed(cause, freeFailures)
	default:
		p.restarts[w.number]++
		least = int(p.live.Load()) + 1 // it is replaced at once
	}
	if w.done.Load() > 0 || begun {
		p.failures = 0
	}
	most := mostFailures
	if w.ready.Load() {
		most = mostIdleDeaths
	}
	gaveUp := p.failures >= most && p.live.Load() == 0 && p.broken == nil && p.killed == nil
	last := p.last
	if p.closed && p.outstanding.Load() == 0 {
		least = 0
	}
	if !gaveUp {
		p.growLocked(least)
	}
	p.mu.Unlock()

	event := inspect.Event{Kind: inspect.WorkerExit, Worker: w.number}
	if !planned && !asked {
		if event.Err = cause; event.Err == nil {
			event.Err = fmt.Errorf("procpool: process %d: %v", w.pid, w.exit)
		}
		if len(lost) == 0 {
			p.opts.logger().Warn("procpool: worker died", "pool", p.opts.Name, "worker", w.number, "pid", w.pid, "err", event.Err)
		}
	}
	p.emit(event)
	if gaveUp {
		p.breakDown(fmt.Errorf("%d workers in a row died before they had done anything: %w", most, last))
	}
	if breaking != nil {
		p.breakDown(breaking)
		p.killWorkers(func(w *worker) {
			w.kill(&doom{reason: doomKilled, err: &brokenError{pool: p.opts.Name, cause: breaking}})
		})
	}
	p.transport.hand()
	p.settle()
}

// again puts a job back in line whose worker was lost before it began with it.
func (p *Pool) again(j *job, w *worker) {
	p.feed.Lock()
	back := j.task.Pending() || j.task.Unstart()
	if back {
		j.place, j.worker = placeReturned, nil
		p.giveBack([]*job{j})
	}
	p.feed.Unlock()
	switch {
	case !back: // told to stop
		p.finish(j, w, fmt.Errorf("%w: %w", futures.ErrCancelled, errNotStarted))
	case p.refuses.Load():
		p.refuseAll()
	case p.stopAll.Load():
		j.task.Cancel()
	}
}

// failed notes that a worker could not be started, or died before it had begun anything,
// and makes a pause before the next one, unless it is one of the first that are free. The
// caller holds p.mu.
func (p *Pool) failed(cause error, free int) {
	p.failures++
	p.last = cause
	if p.pause != nil || p.failures <= free {
		return
	}
	wait := min(firstPause<<min(p.failures-free-1, 10), longestPause)
	wait -= time.Duration(rand.Int64N(int64(wait / 4)))
	p.pause = time.AfterFunc(wait, func() {
		p.mu.Lock()
		p.pause = nil
		p.growLocked(0)
		p.mu.Unlock()
		p.settle()
	})
}

// deathBeforeReady describes the end of a process that has not become a worker.
func (w *worker) deathBeforeReady() error {
	err := fmt.Errorf("procpool: process %d: %v", w.pid, w.exit)
	if d := w.doom.Load(); d != nil && d.err != nil {
		err = fmt.Errorf("procpool: process %d: %w", w.pid, d.err)
	}
	if tail := w.process.Load().StderrTail(); len(tail) > 0 {
		err = fmt.Errorf("%w; its stderr: %s", err, tail)
	}
	return err
}

// reap retires workers that have had nothing to do since the last look. Memory in which large
// values have travelled is given back then too, if there is no task at all.
func (p *Pool) reap() {
	var idle []*worker
	p.feed.Lock()
	p.mu.Lock()
	for _, w := range p.workers {
		if done := w.done.Load(); w.state == stateReady && done == w.seen && !p.busy(w) {
			idle = append(idle, w)
		} else {
			w.seen = done
		}
	}
	// A task whose worker is idle may still have its memory: then there is another look.
	trim := p.arena != nil && p.outstanding.Load() == 0
	if p.reaper = nil; len(p.workers) > len(idle) || p.arena != nil && !trim {
		p.reaper = time.AfterFunc(p.opts.IdleTimeout, p.reap)
	}
	p.mu.Unlock()
	p.feed.Unlock()
	for _, w := range idle {
		p.retire(w)
	}
	if trim {
		_ = p.arena.Trim() // what the system does not take back is tried again next time
	}
}

// busy reports whether a worker runs something. The caller holds feed and mu.
func (p *Pool) busy(w *worker) bool {
	j, _ := p.transport.current(w)
	return j != nil
}

// retire makes a worker go when it has finished what it does. One that cannot have a task
// yet is killed.
func (p *Pool) retire(w *worker) {
	p.mu.Lock()
	before := w.state
	moved := p.moveLocked(w, stateRetiring)
	p.mu.Unlock()
	switch {
	case !moved:
	case before == stateReady, before == stateInitializing && p.transport.ahead() && p.outstanding.Load() > 0:
		p.transport.retire(w)
		p.expectExit(w)
	default:
		w.kill(nil)
	}
}

// expectExit kills a worker that was told to go, has nothing to finish, and stays.
func (p *Pool) expectExit(w *worker) {
	time.AfterFunc(p.grace()+leavingTime, func() {
		p.feed.Lock()
		p.mu.Lock()
		gone, busy := w.state == stateGone, p.busy(w)
		p.mu.Unlock()
		p.feed.Unlock()
		switch {
		case gone:
		case busy:
			p.expectExit(w)
		default:
			w.kill(&doom{reason: doomSlow, err: errors.New("procpool: it was told to go, and stayed")})
		}
	})
}

// leavingTime is how long a worker that has nothing to do may take to go.
const leavingTime = time.Second
