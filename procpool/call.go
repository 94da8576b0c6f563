package procpool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// call is one run of a function in a worker process.
type call struct {
	server   *server
	id       uint64 // by which CANCEL names it
	name     string
	attempt  int
	timeout  time.Duration // 0 for none
	deadline time.Time     // zero for none
	context  []byte        // record of values
	argument []byte
	batch    bool        // it is several calls
	progress func(i int) // told of each of them; may be nil

	ctx      *callContext
	answered bool
}

// callKey is the context key under which a call is found.
type callKey struct{}

// answer takes the outcome of a call: one of its functions is called once, unless value
// returns an error; then failed is called too. They are called whatever the function
// did, short of ending the process.
type answer struct {
	value  func(out any) error // out points to the value
	failed func(kind resultKind, record []byte)
}

// execute runs the call in the calling goroutine. It does not return if the function
// ends the goroutine; the answer is given in any case.
func (c *call) execute(to *answer) {
	defer func() {
		if !c.answered {
			to.failed(describePanic(recover()))
		}
		c.end()
	}()
	kind, err := c.invoke(to)
	c.answered = true
	if err != nil {
		to.failed(kind, codec.AppendError(nil, err, ""))
	}
}

// invoke calls the function and gives its value away.
func (c *call) invoke(to *answer) (resultKind, error) {
	if c.batch {
		d, err := futures.Lookup(c.name)
		if err != nil {
			return resultRefused, err
		}
		return c.invokeBatch(d.NewBatch(), to)
	}
	place, err := c.server.callee(c.name)
	if err != nil {
		return resultRefused, err
	}
	defer place.Reset()
	ctx, err := c.begin()
	if err != nil {
		return resultRefused, err
	}
	if err := codec.Decode(c.argument, place.Input()); err != nil {
		return resultRefused, fmt.Errorf("argument of %s: %w", c.name, err)
	}
	if err := place.Invoke(ctx); err != nil {
		if c.timedOut(err) {
			return resultTimeout, err
		}
		return resultError, err
	}
	if err := to.value(place.Output()); err != nil {
		return resultRefused, fmt.Errorf("value of %s: %w", c.name, err)
	}
	return resultValue, nil
}

// callee returns the place for calls of a function.
func (s *server) callee(name string) (futures.Call, error) {
	if c := s.calls[name]; c != nil {
		return c, nil
	}
	d, err := futures.Lookup(name)
	if err != nil {
		return nil, err
	}
	c := d.NewCall()
	s.calls[name] = c
	return c, nil
}

// begin makes the call the server's current one and returns its context.
func (c *call) begin() (context.Context, error) {
	c.ctx = &callContext{call: c, parent: context.Background()}
	if len(c.context) > 0 {
		values, err := codec.DecodeContext(c.ctx.parent, c.context)
		if err != nil {
			return nil, fmt.Errorf("context of %s: %w", c.name, err)
		}
		c.ctx.parent = values
	}
	if c.timeout > 0 || !c.deadline.IsZero() {
		c.ctx.bound(c.timeout, c.deadline)
	}
	s := c.server
	s.mu.Lock()
	s.current = c
	early := c.id != 0 && slices.Contains(s.early[:], c.id)
	s.mu.Unlock()
	if early {
		c.ctx.stop(futures.ErrCancelled)
	}
	return c.ctx, nil
}

// end makes the context end as that of a finished task does.
func (c *call) end() {
	s := c.server
	s.mu.Lock()
	if s.current == c {
		s.current = nil
	}
	s.mu.Unlock()
	if c.ctx != nil {
		c.ctx.stop(context.Canceled)
	}
}

// timedOut reports whether err is the function's way to say that its timeout has ended
// it. The error's methods are user code, and may panic.
func (c *call) timedOut(err error) (timedOut bool) {
	defer func() {
		if recover() != nil {
			timedOut = false
		}
	}()
	return context.Cause(c.ctx) == futures.ErrTimeout &&
		(errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, futures.ErrCancelled))
}

// describePanic returns what there is to say of a panic with the value v, or of a
// Goexit if there is none.
func describePanic(v any) (resultKind, []byte) {
	stack := string(debug.Stack())
	if v == nil {
		return resultGoexit, codec.AppendError(nil, errGoexit, stack)
	}
	if err, ok := v.(error); ok {
		return resultPanicError, codec.AppendError(nil, err, stack)
	}
	return resultPanic, codec.AppendError(nil, errors.New(textOf(v)), stack)
}

var errGoexit = errors.New("task called runtime.Goexit")

// textOf formats a value whose methods may panic.
func textOf(v any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a %T that cannot be printed", v)
		}
	}()
	return fmt.Sprint(v)
}
