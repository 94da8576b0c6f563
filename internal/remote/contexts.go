package remote

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/futures-go/futures"
)

// Contexts make the end of submitters' contexts reach their tasks. Tasks of one context
// have one watch, so that thousands of them cost one callback.
type Contexts struct {
	// Ended is called in a goroutine of its own once a context has ended, with the tasks of
	// it that are not Removed (RE1). Set before first use.
	Ended func(tasks []*futures.Task)

	mu      sync.Mutex
	watches map[<-chan struct{}]*contextWatch // by Done
}

// contextWatch is guarded by Contexts.mu.
type contextWatch struct {
	done  <-chan struct{}
	stop  func() bool // of context.AfterFunc
	first *Watched    // of a list
	fired bool
}

// Watched is a task's place in Contexts, part of what its executor keeps of it. It is
// guarded by Contexts.mu.
type Watched struct {
	task       *futures.Task
	watch      *contextWatch
	next, prev *Watched
	removed    bool // there will be no watch any more
}

// Add watches ctx, that of t's submitter, for w.
func (c *Contexts) Add(ctx context.Context, t *futures.Task, w *Watched) {
	done := ctx.Done()
	if done == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.removed {
		return // it is resolved already
	}
	cw := c.watches[done]
	if cw == nil {
		if c.watches == nil {
			c.watches = make(map[<-chan struct{}]*contextWatch)
		}
		cw = &contextWatch{done: done}
		c.watches[done] = cw
		cw.stop = context.AfterFunc(ctx, func() { c.ended(cw) })
	}
	w.task, w.watch = t, cw
	if w.next = cw.first; cw.first != nil {
		cw.first.prev = w
	}
	cw.first = w
}

// Remove ends the watch for w, also one that is still to be added.
func (c *Contexts) Remove(w *Watched) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.removed = true
	cw := w.watch
	if cw == nil {
		return
	}
	w.watch = nil
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		cw.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.next, w.prev = nil, nil
	if cw.first == nil && !cw.fired {
		delete(c.watches, cw.done)
		cw.stop()
	}
}

// ended runs once a context has ended.
func (c *Contexts) ended(cw *contextWatch) {
	c.mu.Lock()
	cw.fired = true
	if c.watches[cw.done] == cw {
		delete(c.watches, cw.done)
	}
	var tasks []*futures.Task
	for w := cw.first; w != nil; w = w.next {
		tasks = append(tasks, w.task)
	}
	c.mu.Unlock()
	c.Ended(tasks)
}

// Nanoseconds returns a deadline as nanoseconds since 1970: 1 if it was before, and 0,
// which is none, if it is too far for 64 bits, in 2262.
func Nanoseconds(t time.Time) int64 {
	switch {
	case t.Unix() > math.MaxInt64/int64(time.Second)-1:
		return 0
	case t.Unix() < 0:
		return 1
	}
	return max(1, t.UnixNano())
}
