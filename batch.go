package futures

import (
	"context"
	"runtime/debug"
	"time"
)

// BatchExecutor is an executor outside this process that can take several calls of one
// function as one task. Map then passes it inputs in chunks.
type BatchExecutor interface {
	Executor

	// RunsBatches reports whether it does.
	RunsBatches() bool
}

// Batch is a task that stands for several calls: Input points to a slice of arguments,
// Output to one of as many values, to be filled. Only the task's owner uses it.
type Batch interface {
	// Fail notes the error of call i, whose value does not count.
	Fail(i int, err error)

	// Took notes how long the calls have taken together.
	Took(d time.Duration)

	// Lost notes that the worker was lost after the calls before begun had begun. The
	// task fails then, the others are made again.
	Lost(begun int)
}

// Batch returns what there is beside Input and Output of a task that stands for several
// calls, nil for others.
func (t *Task) Batch() Batch { return t.typed.batch() }

// BatchCall is several calls of a registered function by name: fill the slice that Input
// points to, Invoke, read the one that Output points to, Reset. It is used by one
// goroutine at a time.
type BatchCall interface {
	Input() any  // *[]In
	Output() any // *[]Out

	// Invoke makes the calls one after another, and tells begin of each before it, fail
	// of each that failed, and done at the end. A call that panics or ends the
	// goroutine has failed; in the latter case the others are made all the same, done is
	// called, and Invoke does not return.
	Invoke(ctx context.Context, begin func(i int), fail func(i int, err error), done func())

	Reset() // forgets arguments and values
}

// NewBatch returns a place for batches of calls of the function, to be used for one after
// another.
func (d *Definition) NewBatch() BatchCall { return d.batch() }

type batchCall[In, Out any] struct {
	f   *Func[In, Out]
	in  []In
	out []Out
}

func (c *batchCall[In, Out]) Input() any  { return &c.in }
func (c *batchCall[In, Out]) Output() any { return &c.out }

func (c *batchCall[In, Out]) Invoke(ctx context.Context, begin func(int), fail func(int, error), done func()) {
	if cap(c.out) < len(c.in) {
		c.out = make([]Out, len(c.in))
	}
	c.out = c.out[:len(c.in)]
	defer done()
	c.invokeFrom(ctx, 0, begin, fail)
}

// invokeFrom makes the calls from i on. If one of them ends the goroutine, the rest are
// made while it ends.
func (c *batchCall[In, Out]) invokeFrom(ctx context.Context, i int, begin func(int), fail func(int, error)) {
	returned := false
	defer func() {
		if returned {
			return
		}
		err := recoverPanic(recover())
		if err == nil {
			err = &PanicError{Goexit: true, Stack: debug.Stack()}
		}
		c.failed(i, err, fail)
		c.invokeFrom(ctx, i+1, begin, fail)
	}()
	for ; i < len(c.in); i++ {
		begin(i)
		var err error
		if c.out[i], err = c.f.fn(ctx, c.in[i]); err != nil {
			c.failed(i, err, fail)
		}
	}
	returned = true
}

func (c *batchCall[In, Out]) failed(i int, err error, fail func(int, error)) {
	var zero Out
	c.out[i] = zero
	fail(i, err)
}

func (c *batchCall[In, Out]) Reset() {
	clear(c.in)
	clear(c.out)
	c.in, c.out = c.in[:0], c.out[:0]
}
