package futures

import (
	"context"
	"errors"
	"runtime/debug"
	"time"
)

// Start makes the caller the owner of the task, once for each attempt. It
// returns false for a task that must not run: it is resolved, or its context has
// ended and Start has resolved it.
func (t *Task) Start(worker int) bool {
	if t.parent.Err() != nil {
		t.cancelPending(&cancelledError{context.Cause(t.parent)})
		return false
	}
	return t.Started(worker)
}

// Started is Start for an executor whose worker has begun already: it does not
// look at the context that was given to Submit.
func (t *Task) Started(worker int) bool {
	for {
		phase := t.phase.Load()
		if phase&phaseMask != phasePending {
			return false
		}
		if t.phase.CompareAndSwap(phase, withPhase(phase, phaseRunning)|flagStarted) {
			t.worker = int32(worker)
			if phase&flagExtended != 0 {
				t.countAttempt()
			}
			return true
		}
	}
}

// Call runs the function in the calling goroutine, whatever it does: it may
// panic, or end the goroutine with runtime.Goexit; then Call does not return, and
// a deferred function of the executor goes on. Call stages the outcome without
// publishing it.
//
// If another attempt is due, Call instead makes the task Pending again and
// returns the time to wait before that, and true. The caller is its owner no
// more.
func (t *Task) Call() (delay time.Duration, again bool) {
	err := t.protect(t.beginAttempt())
	t.endBlocking()
	if err == nil {
		t.order = uint64(Succeeded)
		return 0, false
	}
	return t.attemptFailed(err)
}

// attemptFailed stages what an attempt's error means, or makes the task Pending
// again for another attempt.
func (t *Task) attemptFailed(err error) (delay time.Duration, again bool) {
	outcome, err := t.classify(err)
	t.stageError(outcome, err) // before the policy is asked, which may end the goroutine
	if outcome == Failed {
		return t.nextAttempt(err)
	}
	return 0, false
}

// protect invokes the function and turns a panic into an error. When the
// function calls runtime.Goexit it stages the outcome, since nothing after it
// will run.
func (t *Task) protect(ctx context.Context) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if err = recoverPanic(recover()); err == nil {
			t.endBlocking()
			t.stageError(Failed, &PanicError{Goexit: true, Stack: debug.Stack()})
		}
	}()
	err = t.typed.invoke(ctx)
	returned = true
	return err
}

func (t *Task) stageError(outcome State, err error) {
	t.rest().err = err
	t.order = uint64(outcome)
}

// Publish makes the outcome that Call staged visible and releases those who
// wait. It reports whether there are callbacks: the caller then calls Callbacks,
// from where user code may run.
func (t *Task) Publish() (callbacks bool) { return t.publish(State(t.order)) }

// Run does all of it in the calling goroutine: start, call, wait between
// attempts, publish, callbacks. It reports whether the function was run.
func (t *Task) Run(worker int) bool {
	for ran := false; ; ran = true {
		if !t.Start(worker) {
			return ran
		}
		delay, again := t.callAndPublish()
		if !again {
			return true
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-t.doneChan():
		case <-t.parent.Done():
		}
		timer.Stop()
	}
}

// callAndPublish publishes also when the function ends the goroutine.
func (t *Task) callAndPublish() (delay time.Duration, again bool) {
	defer func() {
		if !again && t.Publish() {
			t.Callbacks()
		}
	}()
	return t.Call()
}

// Unstart takes Start back: the worker was lost before it began. The task is
// Pending again as if it had not been started; it reports false if the task has
// been told to stop, and must be resolved. Only the owner may call it.
func (t *Task) Unstart() bool {
	for {
		phase := t.phase.Load()
		if phase&flagStop != 0 {
			return false
		}
		if phase&flagExtended != 0 {
			t.uncountAttempt()
		}
		if t.phase.CompareAndSwap(phase, withPhase(phase&^flagStarted, phasePending)) {
			return true
		}
		if phase&flagExtended != 0 {
			t.countAttempt()
		}
	}
}

// Return stages the outcome of an attempt that ended elsewhere, as Call does for
// one that it ran: success with what Output points to if err is nil, or what err
// means. If another attempt is due it makes the task Pending again and returns
// the time to wait before that, and true. Only the owner may call it; unless
// another attempt is due, Publish and Callbacks follow.
func (t *Task) Return(err error) (delay time.Duration, again bool) {
	if err == nil {
		t.typed.drop(true)
		t.order = uint64(Succeeded)
		return 0, false
	}
	return t.attemptFailed(err)
}

// Conclude is Return for an outcome that the far side has decided on: there is no other
// attempt, whatever the task's policy says, since it has been asked already.
func (t *Task) Conclude(err error) {
	if err == nil {
		t.Return(nil)
		return
	}
	outcome, err := t.classify(err)
	t.stageError(outcome, err)
}

// Succeed resolves a task with what Output points to. Only the owner may call it.
func (t *Task) Succeed() {
	t.Return(nil)
	t.finish(Succeeded)
}

// Fail resolves a task whose attempt ended with err elsewhere, or makes it
// Pending again if its policy allows another attempt, to be started after delay:
// the error means what it means to Call. Only the owner may call it.
func (t *Task) Fail(err error) (delay time.Duration, again bool) {
	defer func() { // also if the policy ends the goroutine
		if !again {
			t.finish(State(t.order))
		}
	}()
	return t.Return(err)
}

// TimedOut returns the error of an attempt that outlived the task's Timeout
// elsewhere and ended with err.
func (t *Task) TimedOut(err error) error { return &timeoutError{t.settings().timeout, err} }

// Expire cancels a task that has not been started, because the context given to
// Submit has ended. It reports whether it did.
func (t *Task) Expire() bool {
	return t.parent.Err() != nil && t.cancelPending(&cancelledError{context.Cause(t.parent)})
}

func (t *Task) finish(outcome State) {
	if t.publish(outcome) {
		t.Callbacks()
	}
}

// Refuse resolves a task that has not been started and never will be. It returns
// false if the task is past that. An error that matches ErrCancelled makes it
// Cancelled.
func (t *Task) Refuse(err error) bool {
	if errors.Is(err, ErrCancelled) {
		return t.resolvePending(Cancelled, err)
	}
	return t.resolvePending(Failed, err)
}

// Cancel stops the task with all that its executor can do: see Future.Cancel.
func (t *Task) Cancel() bool {
	asked := false // it was Pending, as far as this program knew
	for {
		phase := t.phase.Load()
		switch {
		case phase&phaseMask == phaseDone || phase&phaseMask == phaseClaimed:
			<-t.doneChan() // a cancelled future is done: its resolver is at most a few instructions away
			if asked && phase&flagStarted != 0 {
				return false // its host had it stopped before it said that it had begun
			}
			return State(phase>>outcomeShift&0xff) == Cancelled
		case phase&phaseMask == phasePending:
			asked = true
			if t.cancelPending(ErrCancelled) {
				return true
			}
		case phase&flagStop != 0:
			return false
		default:
			if t.phase.CompareAndSwap(phase, phase|flagStop) {
				t.cancelContext(ErrCancelled)
				if host := t.rest().host; host != nil {
					host.Cancelled(t, true)
				}
				return false
			}
		}
	}
}

// claim takes the resolution of a task that is in one phase. Whoever succeeds is
// its one resolver (F1).
func (t *Task) claim(from uint32, outcome State) bool {
	for {
		phase := t.phase.Load()
		if phase&phaseMask != from {
			return false
		}
		if t.phase.CompareAndSwap(phase, withOutcome(phase, phaseClaimed, outcome)) {
			return true
		}
	}
}

// cancelPending cancels a task that has not been started and tells its host, also
// if a callback ends the goroutine.
func (t *Task) cancelPending(err error) bool {
	if f := t.fetching(); f != nil && !f.Withdraw(t) {
		return false
	}
	host := t.rest().host
	if !t.claim(phasePending, Cancelled) {
		return false
	}
	t.stageError(Cancelled, err)
	if host != nil {
		defer host.Cancelled(t, false)
	}
	t.finish(Cancelled)
	return true
}

// resolvePending resolves a task that has not been started.
func (t *Task) resolvePending(outcome State, err error) bool {
	if !t.claim(phasePending, outcome) {
		return false
	}
	t.stageError(outcome, err)
	t.finish(outcome)
	return true
}

// classify decides what an attempt's error means. A task that was told to stop
// and says so is cancelled; one that outlived its Timeout and says so timed out;
// everything else is the task's own error, passed on as it is.
//
// The error's methods are user code. If they do not bear being asked, as those of
// a nil pointer may, the error is the task's own.
func (t *Task) classify(err error) (outcome State, classified error) {
	defer func() {
		if recover() != nil {
			outcome, classified = Failed, err
		}
	}()
	if _, panicked := errors.AsType[*PanicError](err); panicked {
		return Failed, hideWait(err)
	}
	saysStopped := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrCancelled)
	if cause := context.Cause(t.parent); cause != nil && (saysStopped || errors.Is(err, cause)) {
		return Cancelled, &cancelledError{cause}
	}
	if saysStopped && t.phase.Load()&flagStop != 0 {
		return Cancelled, ErrCancelled
	}
	if saysStopped && t.timedOut() {
		return Failed, &timeoutError{t.settings().timeout, err}
	}
	return Failed, hideWait(err)
}
