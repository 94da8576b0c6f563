package procpool

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// Close takes no more tasks, finishes all that were accepted and returns when no
// process, goroutine and descriptor of the pool is left. Then it logs the tasks that
// failed and whose outcome nobody asked for. The error says why the pool was broken,
// if it was.
func (p *Pool) Close() error {
	p.beginClose(futures.ErrClosed)
	<-p.done
	p.unobserved.Report(p.opts.logger(), "procpool", p.opts.Name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return &brokenError{pool: p.opts.Name, cause: p.broken}
	}
	return nil
}

func (p *Pool) beginClose(reason error) {
	p.queue.Refuse(reason)
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	p.mu.Unlock()
	if first {
		p.emit(inspect.Event{Kind: inspect.ExecutorDown, Worker: -1})
	}
	p.settle()
}

// Shutdown is Close until ctx ends. Then it cancels what is queued and what is running,
// kills the workers of tasks that do not end within KillGrace, and returns an error that
// matches ctx's cause and says how much was cut short.
func (p *Pool) Shutdown(ctx context.Context) error {
	p.beginClose(futures.ErrClosed)
	select {
	case <-p.done:
		return p.Close()
	case <-ctx.Done():
	}
	queued, running := p.cancelAll()
	err := p.Close()
	if queued+running == 0 {
		return err
	}
	return fmt.Errorf("procpool.Shutdown: cancelled %d queued and %d running tasks: %w", queued, running, context.Cause(ctx))
}

// cancelAll cancels every task, and returns how many had not been started and how many
// had.
func (p *Pool) cancelAll() (queued, running int) {
	p.stopAll.Store(true) // before looking: who delays a job, or gives it back, looks at it afterwards
	p.takeUnstarted(func(t *futures.Task, inQueue bool) {
		if t.Pending() && t.Cancel() {
			queued++
		}
		if inQueue {
			p.queue.Skipped() // Cancelled counted it
		}
	})
	p.feed.Lock()
	handed := p.transport.handed()
	p.feed.Unlock()
	for _, j := range handed {
		if j.task.Resolved() {
			continue
		}
		if j.task.Cancel() {
			queued++
		} else {
			running++
		}
	}
	return queued, running
}

// takeUnstarted calls fn for each task that no worker has started and that is not on
// its way to one. They are out of line then.
func (p *Pool) takeUnstarted(fn func(t *futures.Task, inQueue bool)) {
	p.feed.Lock()
	p.giveBack(p.transport.recall())
	returned := p.returned
	p.returned = nil
	p.feed.Unlock()
	for _, j := range returned {
		fn(j.task, false)
	}
	for _, t := range p.queue.Drain() {
		fn(t, true)
	}
	for _, j := range p.delays.All() {
		fn(j.task, false)
	}
}

// refuseAll fails the tasks that no worker has started, because the pool is broken or
// was killed. Pool.refuses is set by then, so that none of them is handed over between
// what is taken from the workers and what is taken from the queue.
func (p *Pool) refuseAll() {
	p.takeUnstarted(func(t *futures.Task, inQueue bool) {
		j := t.Host().(*job)
		if !t.Refuse(p.refusalOf(j.fn.name)) {
			if inQueue {
				p.queue.Skipped() // it was cancelled
			}
			return
		}
		p.delays.Forget(j)
		p.unobserved.Note(t)
		j.settled()
	})
}

// refusal returns why the pool runs nothing any more, or nil.
func (p *Pool) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed != nil {
		return p.killed
	}
	return p.broken
}

// refusalOf returns the error of a task that is not run because the pool is broken or
// was killed: one of its own, so that nobody's handling of it touches another's.
func (p *Pool) refusalOf(task string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed != nil {
		return fmt.Errorf("%s: %w", task, p.killed)
	}
	return &brokenError{pool: p.opts.Name, task: task, cause: p.broken}
}

// brokenError is futures.ErrBroken with its reason.
type brokenError struct {
	pool  string
	task  string // whose error it is; empty if it is not a task's
	cause error
}

func (e *brokenError) Error() string {
	if e.task != "" {
		return fmt.Sprintf("%v: %s: task %s: %v", futures.ErrBroken, e.pool, e.task, e.cause)
	}
	return fmt.Sprintf("%v: %s: %v", futures.ErrBroken, e.pool, e.cause)
}
func (e *brokenError) Is(target error) bool { return target == futures.ErrBroken }
func (e *brokenError) Unwrap() error        { return e.cause }

// breakDown makes the pool broken: what no worker has started fails, what runs goes on.
func (p *Pool) breakDown(cause error) {
	p.mu.Lock()
	if p.broken != nil || p.killed != nil {
		p.mu.Unlock()
		return
	}
	p.broken = cause
	p.refuses.Store(true)
	p.mu.Unlock()
	p.queue.Refuse(&brokenError{pool: p.opts.Name, cause: cause})
	p.refuseAll()
	p.settle()
}

// errKilled is the error of the tasks of a pool that was killed.
var errKilled = fmt.Errorf("procpool: forcefully shut down: %w", futures.ErrClosed)

// Kill ends the pool at once: all workers are killed with what they have started, tasks
// that run fail with a *futures.CrashError, and those that wait with an error that
// matches futures.ErrClosed. It returns when nothing of the pool is left.
func (p *Pool) Kill() error {
	return p.end(func(w *worker) { w.kill(&doom{reason: doomKilled, err: errKilled}) })
}

// Terminate is Kill with SIGTERM, which a program may catch to clean up; workers that
// are still there after KillGrace are killed. The tasks' errors are those of Kill. On
// Windows it is Kill.
func (p *Pool) Terminate() error {
	return p.end(func(w *worker) {
		w.doom.CompareAndSwap(nil, &doom{reason: doomKilled, err: errKilled})
		if proc := w.process.Load(); proc != nil {
			if err := proc.Signal(syscall.SIGTERM); err != nil {
				proc.Kill()
				return
			}
			timer := time.AfterFunc(p.grace(), proc.Kill)
			go func() {
				<-proc.Dead()
				timer.Stop()
			}()
		}
	})
}

func (p *Pool) end(stop func(*worker)) error {
	p.mu.Lock()
	if p.killed == nil {
		p.killed = errKilled
	}
	p.refuses.Store(true)
	p.mu.Unlock()
	p.beginClose(errKilled)
	p.refuseAll()
	p.killWorkers(stop)
	p.settle()
	err := p.Close()
	if errors.Is(err, futures.ErrBroken) {
		return err
	}
	return nil
}

func (p *Pool) killWorkers(stop func(*worker)) {
	p.mu.Lock()
	var all []*worker
	for _, w := range p.workers {
		all = append(all, w)
	}
	p.mu.Unlock()
	for _, w := range all {
		p.retire(w) // kills it if there is no process yet
		stop(w)
	}
}

// settled notes that a task is resolved.
func (p *Pool) settled() {
	if p.outstanding.Add(-1) == 0 {
		p.settle()
	}
}

// settle lets the workers of a pool that has ended go when no task is left, and notes
// when the last one has gone.
func (p *Pool) settle() {
	p.mu.Lock()
	ended := p.closed || p.broken != nil
	if !ended || p.outstanding.Load() > 0 {
		p.mu.Unlock()
		return
	}
	left := make([]*worker, 0, len(p.workers))
	for _, w := range p.workers {
		left = append(left, w)
	}
	gone := p.closed && len(left) == 0
	if gone {
		p.over = true
		for _, timer := range []*time.Timer{p.pause, p.reaper} {
			if timer != nil {
				timer.Stop()
			}
		}
	}
	p.mu.Unlock()
	for _, w := range left {
		p.retire(w)
	}
	if gone {
		p.finished.Do(func() {
			if err := p.transport.close(); err != nil {
				p.opts.logger().Error("procpool: closing", "pool", p.opts.Name, "err", err)
			}
			close(p.done)
		})
	}
}
