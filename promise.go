package futures

import (
	"context"
	"fmt"
)

// Promise is the writing side of a future that no executor runs: its owner
// resolves it. All methods may be called from any goroutine.
type Promise[T any] struct{ future *Future[T] }

// NewPromise returns a promise whose future is Pending.
func NewPromise[T any]() *Promise[T] {
	f := new(Future[T])
	f.task.typed = f
	f.task.parent = context.Background()
	return &Promise[T]{f}
}

// Future returns the reading side, always the same.
func (p *Promise[T]) Future() *Future[T] { return p.future }

// Context returns a context that ends when the future is cancelled, with the
// cause ErrCancelled, and when it is resolved.
func (p *Promise[T]) Context() context.Context { return p.future.task.Context() }

// Start makes the future Running, as an executor does before it calls the
// function. It returns false if the future was cancelled before. Starting twice,
// or after Resolve, is a mistake of the caller: Start panics with an error that
// matches ErrInvalidState.
func (p *Promise[T]) Start() bool {
	t := &p.future.task
	if t.Start(0) {
		return true
	}
	if state := t.State(); state != Cancelled {
		panic(fmt.Errorf("futures.Promise.Start: %w: future is %v", ErrInvalidState, state))
	}
	return false
}

// Resolve gives the future its value, or its error if err is not nil. Releases
// and callbacks have happened when it returns. If the future is done already, or
// cancelled, it stays as it is and Resolve returns an error that matches
// ErrInvalidState and names the state.
//
// If Cancel was called after Start, an err that matches context.Canceled or
// ErrCancelled makes the future Cancelled, as it does for tasks.
func (p *Promise[T]) Resolve(value T, err error) error {
	f := p.future
	outcome := Succeeded
	if err != nil {
		outcome, err = f.task.classify(err)
	}
	if !f.task.claim(phasePending, outcome) && !f.task.claim(phaseRunning, outcome) {
		<-f.task.doneChan() // whoever was faster is at most a few instructions away
		return fmt.Errorf("futures.Promise.Resolve: %w: future is %v", ErrInvalidState, f.task.State())
	}
	f.value = value
	if err != nil {
		f.task.stageError(outcome, err)
	}
	f.task.finish(outcome)
	return nil
}
