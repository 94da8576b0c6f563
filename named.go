package futures

import "context"

// Submit hands a call of the function to ex, for who has only bytes: an executor's far
// side. It does what Func.Submit does, but that fill puts the argument into what Input
// points to, an *In; an error of fill fails the task, which no executor then sees. fill
// is called once, before Submit returns, in the calling goroutine, and so is user code if
// it decodes.
//
// done is called once the task is resolved, where the callbacks of OnDone run and before
// them, also for a task that is refused; it may be called before Submit returns. What the
// task came to is in its State, its Err and what Output points to, an *Out. Having a done
// counts as having looked at the outcome. The future is the task's Handle.
//
// Submit panics if ctx, ex, fill or done is nil.
func (d *Definition) Submit(ctx context.Context, ex Executor, fill func(in any) error, done func(*Task), opts ...Option) *Task {
	const caller = "futures.Definition.Submit"
	switch {
	case ctx == nil:
		panic(caller + ": nil context")
	case fill == nil:
		panic(caller + ": nil fill")
	case done == nil:
		panic(caller + ": nil done")
	}
	t := d.named(done)
	t.phase.Store(flagTold | flagObserved) // nobody else can see it yet
	t.parent = ctx                         // done may ask for it, also if fill fails
	if err := fill(t.Input()); err != nil {
		t.Refuse(err)
		return t
	}
	t.submit(caller, ctx, ex, opts)
	return t
}

// namedFuture is the future of a call by name, with who is told of its end: one
// allocation.
type namedFuture[In, Out any] struct {
	funcFuture[In, Out]
	done func(*Task)
}

// newNamed makes the task of a call whose argument is still to be filled in.
func newNamed[In, Out any](f *Func[In, Out], done func(*Task)) *Task {
	c := &namedFuture[In, Out]{done: done}
	c.f = f
	c.task.typed = c
	return &c.task
}

func (c *namedFuture[In, Out]) told() func(*Task) { return c.done }

// teller is what the future is around a task that has flagTold.
type teller interface{ told() func(*Task) }
