package procpool

import (
	"context"
	"sync"
	"time"

	"github.com/futures-go/futures"
)

// callContext is the context of a call. It makes a channel only when somebody asks for
// one, as few short tasks do.
type callContext struct {
	call   *call
	parent context.Context // with the values that travelled; never ends

	mu      sync.Mutex
	ctx     context.Context // made on demand
	cancel  context.CancelCauseFunc
	release context.CancelFunc // of the timer of ctx, if it has one
	stopped error              // the cause, once it was stopped
}

// bound gives the context a deadline before anybody has seen it: the earlier of an
// attempt's timeout and the caller's deadline.
func (c *callContext) bound(timeout time.Duration, deadline time.Time) {
	ctx, cancel := context.WithCancelCause(c.parent)
	c.cancel = cancel
	var releases []context.CancelFunc
	if !deadline.IsZero() {
		var release context.CancelFunc
		ctx, release = context.WithDeadline(ctx, deadline)
		releases = append(releases, release)
	}
	if timeout > 0 {
		var release context.CancelFunc
		ctx, release = context.WithTimeoutCause(ctx, timeout, futures.ErrTimeout)
		releases = append(releases, release)
	}
	c.ctx = ctx
	c.release = func() {
		for _, release := range releases {
			release()
		}
	}
}

// stop ends the context; the first cause counts.
func (c *callContext) stop(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.stopped = cause
	}
	if c.cancel != nil {
		c.cancel(cause)
	}
	if c.release != nil {
		c.release()
	}
}

// made returns the context that has a channel, making it if asked to.
func (c *callContext) made(make bool) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil && (make || c.stopped != nil) {
		c.ctx, c.cancel = context.WithCancelCause(c.parent)
		if c.stopped != nil {
			c.cancel(c.stopped)
		}
	}
	return c.ctx
}

func (c *callContext) Done() <-chan struct{} { return c.made(true).Done() }

func (c *callContext) Deadline() (deadline time.Time, ok bool) {
	if ctx := c.made(false); ctx != nil {
		return ctx.Deadline()
	}
	return time.Time{}, false
}

func (c *callContext) Err() error {
	if ctx := c.made(false); ctx != nil {
		return ctx.Err()
	}
	return nil
}

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	if ctx := c.made(false); ctx != nil {
		return ctx.Value(key) // where the standard library finds its own context and the cause
	}
	return c.parent.Value(key)
}

func (c *callContext) String() string { return "procpool.callContext(" + c.call.name + ")" }
