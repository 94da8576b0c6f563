package futures

import (
	"context"
	"errors"
)

// Executor runs tasks. It is small so that others can be written; package
// executortest has the suite that every one must pass.
//
// All methods may be called from any goroutine at any time.
type Executor interface {
	// Execute takes over t, to be started later, or refuses it with an error; it
	// must not resolve a task that it refuses. While the queue is full it waits
	// until ctx ends, or refuses with ErrQueueFull if it is made so.
	Execute(ctx context.Context, t *Task) error

	// Close takes no more tasks, finishes all that were accepted, and returns
	// when nothing of the executor is left: goroutine, process, descriptor. Called
	// again, or from several goroutines, it waits too. A task must not close the
	// executor that runs it: it would wait for itself.
	Close() error

	// Shutdown is Close until ctx ends. Then it cancels what is queued and what
	// is running and returns an error that says how many tasks were cut short;
	// a Close afterwards waits for those that take their time to obey.
	Shutdown(ctx context.Context) error
}

// LocalExecutor runs tasks in this process, so that it can run closures. The
// compiler refuses a closure for any other.
type LocalExecutor interface {
	Executor

	// RunsLocally does nothing; having it is a promise.
	RunsLocally()
}

// Sizer is an Executor that knows how many tasks it runs at the same time. Map
// uses it for its default window.
type Sizer interface {
	Size() int
}

// Submit hands fn to ex and returns its future at once, or as soon as there is
// room in the queue. ctx bounds that wait and is the parent of the context that
// fn is called with. A task that is refused is a failed future, one whose ctx
// ended before it was queued a cancelled one.
//
// A task's own context ends when the task has run. So a task that submits others
// with it and returns without waiting for them cancels them.
//
// Submit panics if ctx, ex or fn is nil.
func Submit[T any](ctx context.Context, ex LocalExecutor, fn func(context.Context) (T, error), opts ...Option) *Future[T] {
	if fn == nil {
		panic("futures.Submit: nil function")
	}
	f := &Future[T]{fn: fn}
	f.task.typed = f
	f.cold.entry = entryOf(fn)
	f.task.submit("futures.Submit", ctx, ex, opts)
	return f
}

// submit gives the task to the executor and resolves it if that refuses.
func (t *Task) submit(caller string, ctx context.Context, ex Executor, opts []Option) {
	if ctx == nil {
		panic(caller + ": nil context")
	}
	if isNil(ex) {
		panic(caller + ": nil executor")
	}
	t.parent = ctx
	if len(opts) > 0 {
		x := t.extension()
		for _, o := range opts {
			o.forTask(&x.settings)
		}
	}
	err := ctx.Err()
	if err == nil {
		err = ex.Execute(ctx, t)
	}
	if err != nil {
		t.refuse(ctx, err)
	}
}

// refuse resolves a task that no executor took. A refusal because ctx ended is a
// cancellation.
func (t *Task) refuse(ctx context.Context, err error) {
	theirs := errors.Is(err, ErrClosed) || errors.Is(err, ErrBroken) || errors.Is(err, ErrQueueFull)
	if ctx.Err() != nil && !theirs {
		err = &cancelledError{context.Cause(ctx)}
	}
	t.Refuse(err)
}
