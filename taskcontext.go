package futures

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// taskKey is the context key under which a task is found.
type taskKey struct{}

// taskContext is a Task seen as the context of its function. It costs nothing
// until somebody asks for its channel: only then is a cancellable context made,
// and only then is the parent watched.
type taskContext Task

// extension is what a task grows when it needs it.
type extension struct {
	settings  settings // immutable
	callbacks []func() // handed from seal to Callbacks, by the resolver
	waits     []wait   // what the task's function waits for; guarded by waitGraph

	resuming atomic.Int32 // goroutines that want the slot back

	mu      sync.Mutex
	ctx     context.Context         // made on demand, of the current attempt
	cancel  context.CancelCauseFunc // of ctx
	release context.CancelFunc      // of the timer of ctx, if it has one
	lastErr error                   // of the last attempt that another one followed
	attempt int                     // attempts begun, counted where it matters
	over    bool                    // the attempt has ended, so a context made now has too
	blocks  int                     // goroutines of the function that wait without a slot, or ended
}

// extension returns the task's extension, made now if need be. The flag is set
// after it can be seen and before anything is put into it.
func (t *Task) extension() *extension {
	rest := t.rest()
	x := rest.ext.Load()
	if x == nil {
		rest.ext.CompareAndSwap(nil, new(extension))
		x = rest.ext.Load()
	}
	if t.phase.Load()&flagExtended == 0 {
		t.phase.Or(flagExtended)
	}
	return x
}

// extended returns the extension, nil if there is none.
func (t *Task) extended() *extension {
	if t.phase.Load()&flagExtended == 0 {
		return nil
	}
	return t.rest().ext.Load()
}

var noSettings settings

func (t *Task) settings() *settings {
	if x := t.extended(); x != nil {
		return &x.settings
	}
	return &noSettings
}

// Deadline returns the parent's deadline, or the attempt's if that is earlier.
func (c *taskContext) Deadline() (time.Time, bool) {
	t := (*Task)(c)
	if ctx := t.madeContext(); ctx != nil {
		return ctx.Deadline()
	}
	return t.parent.Deadline()
}

func (c *taskContext) Done() <-chan struct{} { return (*Task)(c).ownContext().Done() }

func (c *taskContext) Err() error {
	t := (*Task)(c)
	if ctx := t.madeContext(); ctx != nil {
		return ctx.Err()
	}
	if t.resolved() {
		return context.Canceled
	}
	return t.parent.Err()
}

func (c *taskContext) Value(key any) any {
	t := (*Task)(c)
	if key == (taskKey{}) {
		return t
	}
	if ctx := t.madeContext(); ctx != nil {
		// The standard library finds its own cancellable context here, and with
		// it the cause.
		return ctx.Value(key)
	}
	return t.parent.Value(key)
}

func (c *taskContext) String() string { return "futures.taskContext(" + (*Task)(c).Name() + ")" }

// madeContext returns the cancellable context if there is one.
func (t *Task) madeContext() context.Context {
	x := t.extended()
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ctx
}

// ownContext returns the cancellable context, made now if need be. One that is
// made too late is cancelled at once: the maker has set flagExtended, so that
// whoever publishes either sees the flag and has ended the extension, or has
// published before, which the maker sees.
func (t *Task) ownContext() context.Context {
	x := t.extension()
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancelCause(t.parent)
		switch phase := t.phase.Load(); {
		case phase&flagStop != 0:
			x.cancel(ErrCancelled)
		case x.over || phase&phaseMask == phaseDone:
			x.cancel(nil)
		}
	}
	return x.ctx
}

// countAttempt notes the start of an attempt. What the one before has left, if
// there was one, is not for this one.
func (t *Task) countAttempt() {
	x := t.extended()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.attempt++
	if x.over {
		x.over, x.blocks = false, 0
		x.ctx, x.cancel, x.release = nil, nil, nil
	}
}

// uncountAttempt takes countAttempt back for an attempt that did not begin.
func (t *Task) uncountAttempt() {
	x := t.extended()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.attempt--
}

// beginAttempt returns the context to run the function with.
func (t *Task) beginAttempt() context.Context {
	x := t.extended()
	if x == nil || x.settings.timeout == 0 && x.settings.retry == nil {
		return (*taskContext)(t)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ctx, x.cancel = context.WithCancelCause(t.parent)
	attempt := &attemptContext{Context: x.ctx, task: t}
	if x.settings.timeout > 0 {
		attempt.Context, x.release = context.WithTimeoutCause(x.ctx, x.settings.timeout, ErrTimeout)
		x.ctx = attempt.Context
	}
	if t.phase.Load()&flagStop != 0 {
		x.cancel(ErrCancelled)
	}
	return attempt
}

// attemptContext is the context of one attempt of a task that may have several,
// so that what an earlier attempt left behind does not see a later one's context.
type attemptContext struct {
	context.Context
	task *Task
}

func (c *attemptContext) Value(key any) any {
	if key == (taskKey{}) {
		return c.task
	}
	return c.Context.Value(key)
}

// timedOut reports whether the current attempt has outlived its timeout.
func (t *Task) timedOut() bool {
	x := t.extended()
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ctx != nil && context.Cause(x.ctx) == ErrTimeout
}

// cancelContext ends the context of a running task, made now if need be so that
// whoever asks for it later finds it ended.
func (t *Task) cancelContext(cause error) {
	t.ownContext()
	x := t.extended()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cancel(cause)
}

// endContext releases what the context of an attempt or of the whole task holds.
func (t *Task) endContext() {
	x := t.extended()
	if x == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.over = true
	if x.cancel != nil {
		x.cancel(nil)
	}
	if x.release != nil {
		x.release()
	}
}
