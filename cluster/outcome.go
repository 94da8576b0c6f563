package cluster

import (
	"errors"
	"fmt"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/internal/codec"
)

// resolved is the done of the item's task: it makes the outcome of what became of it, in
// the goroutine that resolved it.
func (it *item) resolved(t *futures.Task) {
	m := it.message
	w := m.worker
	now := w.now()
	encoded := false
	defer func() {
		if !encoded { // by a method that has ended the goroutine
			it.refuse(errors.New("the encoding of its value has ended the goroutine"))
		}
	}()
	attempts := t.Attempt()
	if attempts > 0 {
		run := w.clocks.ran(t.Worker(), m.given, now)
		m.outcomes[it.n].RunNanos = run
		it.fn.took(run)
	}
	if it.release != nil {
		it.release()
	}
	kind, payload := it.outcomeOf(t, attempts)
	encoded = true // what follows may have the item used again
	it.end(kind, payload, attempts)
}

// outcomeOf returns what became of a task as it travels. The payload is in the item's
// memory. If the task is to be queued again it sets back.
func (it *item) outcomeOf(t *futures.Task, attempts int) (envelope.Kind, []byte) {
	buf, name := it.payload[:0], it.message.task.Items[it.n].Function
	err := t.Err()
	switch {
	case err == nil:
		payload, err := codec.Append(buf, t.Output())
		if err != nil {
			return envelope.Refused, codec.AppendError(buf, fmt.Errorf("value of %s: %w", name, err), "")
		}
		return envelope.Value, payload
	case t.State() == futures.Cancelled && it.reason() >= stopDrained:
		if spec := &it.message.task.Items[it.n]; attempts > 0 && spec.AtMost == 0 {
			// It may run only once, and has begun.
			return envelope.Lost, codec.AppendError(buf, errors.New(endedWhy+" while it ran"), "")
		}
		it.back, it.why = true, endedWhy
		return 0, buf
	case it.bad:
		return envelope.Refused, codec.AppendError(buf, err, "")
	case t.State() == futures.Cancelled:
		return envelope.Cancelled, codec.AppendError(buf, err, "")
	case attempts == 0:
		return it.notTaken(err, buf)
	}
	return it.failureOf(t, err, buf)
}

// notTaken is the outcome of a task that the executor did not take.
func (it *item) notTaken(err error, buf []byte) (envelope.Kind, []byte) {
	w := it.message.worker
	over, full := refusedByExecutor(err)
	switch {
	case over:
		w.fail(fmt.Errorf("its executor: %w", err))
		it.back, it.why = true, "the executor of its worker is "+err.Error()
	case full:
		w.pause(crowdedPause)
		it.back, it.why = true, "the executor of its worker is full"
	}
	return envelope.Refused, codec.AppendError(buf, err, "")
}

// failureOf is the outcome of a task that failed.
func (it *item) failureOf(t *futures.Task, err error, buf []byte) (envelope.Kind, []byte) {
	if p, ok := err.(*futures.PanicError); ok {
		return panicOf(p, buf)
	}
	if inner, timedOut := timeoutOf(err); timedOut && t.Timeout() > 0 {
		return envelope.Timeout, codec.AppendError(buf, inner, "")
	}
	if crash, ok := err.(*futures.CrashError); ok {
		told := *crash
		told.Attempt += it.message.task.Items[it.n].Made
		return envelope.Crash, envelope.AppendCrash(buf, &told)
	}
	return envelope.Failure, codec.AppendError(buf, err, "")
}

// timeoutOf returns what a task returned after its timeout, if err is what futures makes of
// that. The error's methods may be user code, and may panic.
func timeoutOf(err error) (inner error, timedOut bool) {
	defer func() {
		if recover() != nil {
			inner, timedOut = nil, false
		}
	}()
	if _, own := err.(interface{ Timeout() bool }); !own || !errors.Is(err, futures.ErrTimeout) {
		return nil, false
	}
	inner = errors.Unwrap(err)
	return inner, inner != nil
}

func panicOf(p *futures.PanicError, buf []byte) (envelope.Kind, []byte) {
	stack := string(p.Stack)
	if p.Goexit {
		return envelope.Goexit, codec.AppendError(buf, errors.New("task called runtime.Goexit"), stack)
	}
	if err, ok := p.Value.(error); ok {
		return envelope.PanicError, codec.AppendError(buf, err, stack)
	}
	return envelope.Panic, codec.AppendError(buf, errors.New(textOf(p.Value)), stack)
}

// textOf formats a value whose methods may panic.
func textOf(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T that cannot be printed", v)
		}
	}()
	return fmt.Sprint(v)
}

// refuse ends an item whose function was not called, or whose value cannot be sent.
func (it *item) refuse(err error) {
	it.end(envelope.Refused, codec.AppendError(it.payload[:0], err, ""), 0)
}

// stopped ends an item that was told to stop before it began.
func (it *item) stopped() {
	if it.release != nil {
		it.release()
	}
	if it.stop.Load() != stopCancelled && it.reason() >= stopDrained {
		it.back, it.why = true, endedWhy
		it.end(0, it.payload[:0], 0)
		return
	}
	it.noteStopped()
	it.message.countDown()
}

const endedWhy = "its worker ended"

// noteStopped notes the outcome of an item that was cancelled before it began.
func (it *item) noteStopped() {
	it.note(envelope.Cancelled, codec.AppendError(it.payload[:0], futures.ErrCancelled, ""), 0)
}

// end notes the outcome, whose payload is in the item's memory, and counts the item down.
func (it *item) end(kind envelope.Kind, payload []byte, attempts int) {
	it.note(kind, payload, attempts)
	it.message.countDown()
}

func (it *item) note(kind envelope.Kind, payload []byte, attempts int) {
	o := &it.message.outcomes[it.n]
	it.payload = payload
	o.Index = it.message.task.Items[it.n].Index
	o.Kind, o.Payload, o.Attempts = kind, payload, min(attempts, envelope.MaxAttempts)
	it.ended.Store(true) // whoever sees it sees the outcome
}
