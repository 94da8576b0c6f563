package procpool

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/internal/remote"
)

// decode puts a worker's answer into the task, or returns the error that it means.
func (j *job) decode(kind resultKind, payload []byte) error {
	if kind == resultValue && j.items > 0 {
		return j.decodeBatch(payload)
	}
	if kind == resultValue {
		if err := codec.Decode(payload, j.task.Output()); err != nil {
			return fmt.Errorf("procpool: value of %s: %w", j.fn.name, err)
		}
		return nil
	}
	return j.errorOf(kind, payload)
}

// errorOf returns the error that an error record means.
func (j *job) errorOf(kind resultKind, record []byte) error {
	return remote.Error(kind, record, j.task, "procpool")
}

// deliver finishes a job with what its worker said. Where code of users runs, that is in
// a goroutine of its own: it may block, or end the goroutine. The payload may be
// overwritten afterwards.
func (p *Pool) deliver(j *job, w *worker, kind resultKind, payload []byte) {
	if !j.slow(kind) {
		p.finish(j, w, j.decode(kind, payload))
		return
	}
	payload = slices.Clone(payload)
	go p.finishSlow(j, w, kind, payload)
}

// slow reports whether code of users runs when a result is decoded, or its error looked
// at.
func (j *job) slow(kind resultKind) bool {
	return j.fn.userCode || kind != resultValue && mayRunAgain(j.task)
}

func (p *Pool) finishSlow(j *job, w *worker, kind resultKind, payload []byte) {
	decoded := false
	defer func() {
		if !decoded {
			p.finish(j, w, fmt.Errorf("procpool: value of %s: its decoding has ended the goroutine", j.fn.name))
		}
	}()
	err := j.decode(kind, payload)
	decoded = true
	p.finish(j, w, err)
}

// fail finishes a job with an error that was found here.
func (p *Pool) fail(j *job, w *worker, err error) {
	if mayRunAgain(j.task) {
		go p.finish(j, w, err)
		return
	}
	p.finish(j, w, err)
}

// finish resolves a job with what its worker said or with err, or has it run again. The
// job is the caller's: placeOver. It does not run callbacks, which may block.
func (p *Pool) finish(j *job, w *worker, err error) {
	again := true
	defer func() { // also if the user's retry policy ends the goroutine
		if !again {
			p.publish(j, w)
		}
	}()
	var delay time.Duration
	again = false
	delay, again = j.task.Return(err)
	if again {
		j.fn.counts.Retried(1)
		p.emitTask(inspect.TaskRetried, j.task, w, j.task.AttemptErr())
		j.mu.Lock()
		j.disarm()
		j.mu.Unlock()
		p.delay(j, delay)
	}
}

func (p *Pool) publish(j *job, w *worker) {
	j.fn.counts.Done(j.task.Outcome())
	j.unwanted()
	callbacks := j.task.Publish()
	err := j.task.Err()
	p.emitTask(inspect.TaskDone, j.task, w, err)
	if err != nil {
		p.unobserved.Note(j.task)
	}
	j.settled()
	if callbacks {
		go j.task.Callbacks()
	}
}

// crash returns the error of a task whose worker has died while it ran it.
func (w *worker) crash(j *job) *futures.CrashError {
	exit := w.exit
	e := &futures.CrashError{
		PID: w.pid, ExitCode: exit.Code, OOM: exit.OOM,
		Stderr: string(w.process.Load().StderrTail()),
		Task:   j.fn.name, Attempt: j.task.Attempt(),
	}
	if exit.Signal != 0 {
		e.ExitCode, e.Signal = -1, process.SignalName(exit.Signal)
	}
	if exit.OOMSample > 0 {
		e.Cause = fmt.Errorf("used %d bytes, limit %d", exit.OOMSample, w.pool.opts.MemoryLimit)
	} else if exit.Fatal != "" {
		e.Cause = errors.New(exit.Fatal)
	}
	return e
}

// verdict returns what a task fails with that its dead worker had begun.
func (w *worker) verdict(j *job) error {
	e := w.crash(j)
	d := w.doom.Load()
	if d == nil || e.OOM {
		return e
	}
	if d.job != nil && d.job != j {
		return e
	}
	if len(w.stacks) > 0 {
		e.Stderr = string(w.stacks)
	}
	switch d.reason {
	case doomTimeout:
		e.Cause = fmt.Errorf("it was killed %v after its timeout", w.pool.grace())
		return j.task.TimedOut(e)
	case doomCancel:
		e.Cause = fmt.Errorf("it was killed %v after its context had ended", w.pool.grace())
		return fmt.Errorf("%w: %w", futures.ErrCancelled, e)
	default:
		e.Cause = d.err
		return e
	}
}
