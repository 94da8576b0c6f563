package futures

import (
	"context"
	"runtime"
	"slices"
)

// Until says what a Wait waits for.
type Until uint8

const (
	AllCompleted   Until = iota // all futures are done
	FirstCompleted              // at least one is done
	FirstError                  // one has failed, or all are done; cancelled is not failed
)

// await blocks until the task is resolved, or returns a *WaitError.
func (t *Task) await(ctx context.Context) error {
	current := CurrentTask(ctx)
	if current == nil {
		if !waitDone(ctx, t) {
			return &WaitError{Cause: context.Cause(ctx), Unfinished: 1, Total: 1}
		}
		return nil
	}
	err := waitAll(ctx, []*Task{t})
	if wait, ok := err.(*WaitError); ok {
		wait.Unfinished, wait.Total = 1, 1
	}
	return err
}

// yields is how often a wait lets other goroutines run before it parks. Where the
// task is short and its worker is at hand, that is all it takes, and a third of
// the cost.
const yields = 2

// waitDone blocks until the task is resolved or ctx ends. A task that is
// resolved counts, also if ctx has ended.
func waitDone(ctx context.Context, t *Task) bool {
	soon := true
	if host := t.fetching(); host != nil {
		if soon = host.Await(t); t.resolved() {
			return true
		}
	}
	for i := 0; soon && i < yields; i++ {
		runtime.Gosched()
		if t.resolved() {
			return true
		}
	}
	if ctx.Done() == nil {
		<-t.doneChan()
		return true
	}
	select {
	case <-t.doneChan():
		return true
	case <-ctx.Done():
		return t.resolved()
	}
}

// Wait blocks until what it was told to wait for has happened or ctx ends, and
// returns the futures that are done and those that are not, both in the order
// given. A future given twice counts once. Futures of different executors, and
// promises, can be waited for together; for futures of different types use
// []Handle.
//
// A future's own failure is no error of Wait. If ctx ends first, err is a
// *WaitError, and both lists are still right. Wait of nothing returns at once.
// Wait panics if a future is nil or until is unknown.
func Wait[F Handle](ctx context.Context, until Until, fs ...F) (done, pending []F, err error) {
	if until > FirstError {
		panic("futures.Wait: unknown Until")
	}
	fs = distinct("futures.Wait", fs)
	if !satisfied(until, fs) {
		err = waitBlocking(ctx, until, fs)
	}
	for _, f := range fs {
		if f.base().resolved() {
			done = append(done, f)
		} else {
			pending = append(pending, f)
		}
	}
	if wait, ok := err.(*WaitError); ok {
		wait.Unfinished, wait.Total = len(pending), len(fs)
	}
	return done, pending, err
}

// satisfied reports whether a wait is over before it began.
func satisfied[F Handle](until Until, fs []F) bool {
	finished := 0
	for _, f := range fs {
		t := f.base()
		if !t.resolved() {
			continue
		}
		finished++
		if until == FirstCompleted || until == FirstError && t.State() == Failed {
			return true
		}
	}
	return finished == len(fs)
}

// waitBlocking is the blocking part of Wait.
func waitBlocking[F Handle](ctx context.Context, until Until, fs []F) error {
	on := unresolved(fs)
	if len(on) == 0 {
		return nil
	}
	if until == AllCompleted {
		return waitAll(ctx, on)
	}
	in := newInbox(on)
	defer in.close()
	for range on {
		i, err := in.await(ctx)
		if err != nil {
			return err
		}
		if until == FirstCompleted || on[i].State() == Failed {
			return nil
		}
	}
	return nil
}

func waitAll(ctx context.Context, on []*Task) error {
	frame, err := enterWait(CurrentTask(ctx), on, true)
	if err != nil {
		return &WaitError{Cause: err}
	}
	defer frame.leave(on)
	for _, t := range on {
		if !t.resolved() && !waitDone(ctx, t) {
			return &WaitError{Cause: context.Cause(ctx)}
		}
	}
	return nil
}

func unresolved[F Handle](fs []F) []*Task {
	var on []*Task
	for _, f := range fs {
		if t := f.base(); !t.resolved() {
			on = append(on, t)
		}
	}
	return on
}

// distinct returns fs without repetitions, in order.
func distinct[F Handle](caller string, fs []F) []F {
	seen := make(map[*Task]struct{}, len(fs))
	return slices.DeleteFunc(slices.Clone(fs), func(f F) bool {
		if isNil(f) {
			panic(caller + ": nil future")
		}
		_, twice := seen[f.base()]
		seen[f.base()] = struct{}{}
		return twice
	})
}
