package procpool

import (
	"context"
	"sync"

	"github.com/futures-go/futures"
)

// contexts makes the end of a submitter's context reach its tasks. Tasks of one context
// have one watch: when it ends, those that no worker has started are cancelled before
// those are told that run, so that no worker finishes early and starts another one.
type contexts struct {
	mu      sync.Mutex
	watches map[<-chan struct{}]*contextWatch // by Done
}

// contextWatch is guarded by contexts.mu.
type contextWatch struct {
	done  <-chan struct{}
	stop  func() bool // of context.AfterFunc
	first *job        // of a list, by job.nextWatched
	fired bool
}

// add watches ctx for j.
func (c *contexts) add(ctx context.Context, j *job) {
	done := ctx.Done()
	if done == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if j.unwatched {
		return // it is resolved already
	}
	w := c.watches[done]
	if w == nil {
		if c.watches == nil {
			c.watches = make(map[<-chan struct{}]*contextWatch)
		}
		w = &contextWatch{done: done}
		c.watches[done] = w
		w.stop = context.AfterFunc(ctx, func() { c.ended(w) })
	}
	j.watch = w
	if j.nextWatched = w.first; w.first != nil {
		w.first.prevWatched = j
	}
	w.first = j
}

// remove ends the watch for j, also one that is still to be added.
func (c *contexts) remove(j *job) {
	c.mu.Lock()
	defer c.mu.Unlock()
	j.unwatched = true
	w := j.watch
	if w == nil {
		return
	}
	j.watch = nil
	if j.prevWatched != nil {
		j.prevWatched.nextWatched = j.nextWatched
	} else {
		w.first = j.nextWatched
	}
	if j.nextWatched != nil {
		j.nextWatched.prevWatched = j.prevWatched
	}
	j.nextWatched, j.prevWatched = nil, nil
	if w.first == nil && !w.fired {
		delete(c.watches, w.done)
		w.stop()
	}
}

// ended runs once a context has ended.
func (c *contexts) ended(w *contextWatch) {
	c.mu.Lock()
	w.fired = true
	if c.watches[w.done] == w {
		delete(c.watches, w.done)
	}
	var jobs []*job
	for j := w.first; j != nil; j = j.nextWatched {
		jobs = append(jobs, j)
	}
	c.mu.Unlock()
	for _, j := range jobs {
		j.task.Expire()
	}
	for _, j := range jobs {
		if j.task.State() == futures.Running {
			j.pool.stop(j)
		}
	}
}
