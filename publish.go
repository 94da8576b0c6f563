package futures

import (
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/futures-go/futures/internal/assert"
)

// watchers are those who asked to be told about a future before it was done.
type watchers struct {
	mu         sync.Mutex
	done       chan struct{} // what Future.Done returned, nil if never asked; closed by seal
	collectors []collection  // told under mu, before the future counts as done
	callbacks  []func()      // user code; seal hands them to Callbacks
}

// collector gathers completed futures for Wait and AsCompleted.
type collector interface {
	// collect is told that future number i of the collection is about to be
	// published. It is called with the future's watchers locked, and must not
	// block or run user code (F3).
	collect(i int)
}

type collection struct {
	to    collector
	index int
}

// closedChan is what Done returns for a future that is done.
var closedChan = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// watch returns the task's watchers locked, or nil if the future is done. The
// flag is set before the lock is taken, and the resolver's last step fails if
// there is a flag that it has not seen: so either we see the future done, or the
// resolver waits for our lock and then tells whoever we have added.
func (t *Task) watch() *watchers {
	if t.resolved() {
		return nil
	}
	rest := t.rest()
	w := rest.watchers.Load()
	if w == nil {
		rest.watchers.CompareAndSwap(nil, new(watchers))
		w = rest.watchers.Load()
	}
	t.phase.Or(flagWatched)
	w.mu.Lock()
	if t.resolved() {
		w.mu.Unlock()
		return nil
	}
	return w
}

// publish makes the outcome visible and final, and reports whether there are
// callbacks, which the caller runs with Callbacks. It is called once, by the
// owner or the one who claimed the task, after writing value and error.
func (t *Task) publish(outcome State) (callbacks bool) {
	if assert.Enabled {
		assert.That(!t.resolved(), "F1: %v is resolved twice", t)
	}
	if outcome != Succeeded {
		t.typed.drop(false)
	}
	t.order = completions.n.Add(1)
	for {
		phase := t.phase.Load()
		if phase&flagExtended != 0 {
			t.endContext()
		}
		if phase&flagWatched != 0 {
			return t.publishWatched(outcome)
		}
		if t.phase.CompareAndSwap(phase, withOutcome(phase, phaseDone, outcome)) {
			return phase&flagTold != 0
		}
	}
}

// publishWatched tells collectors before the future counts as done, so that
// whatever is caused by seeing it done is collected after it: that is what makes
// the order of AsCompleted true.
func (t *Task) publishWatched(outcome State) (callbacks bool) {
	w := t.rest().watchers.Load()
	w.mu.Lock()
	for _, c := range w.collectors {
		c.to.collect(c.index)
	}
	w.collectors = nil
	var phase uint32
	for {
		phase = t.phase.Load()
		if phase&flagExtended != 0 {
			t.endContext()
		}
		if t.phase.CompareAndSwap(phase, withOutcome(phase, phaseDone, outcome)) {
			break
		}
	}
	if w.done != nil {
		close(w.done)
	}
	run := w.callbacks
	w.callbacks = nil
	w.mu.Unlock()
	if len(run) == 0 {
		return phase&flagTold != 0
	}
	t.extension().callbacks = run
	return true
}

// Callbacks runs what Publish left to run, in the order it was added. A callback
// that panics is logged and stops nothing; one that ends the goroutine does not
// keep the others from being run either.
func (t *Task) Callbacks() {
	var run []func()
	if x := t.extended(); x != nil {
		run, x.callbacks = x.callbacks, nil // only the resolver writes and reads it
	}
	if t.phase.Load()&flagTold != 0 {
		defer t.runCallbacks(run)
		done := t.typed.(teller).told()
		t.runCallback(func() { done(t) })
		return
	}
	t.runCallbacks(run)
}

func (t *Task) runCallbacks(run []func()) {
	defer func() {
		if len(run) > 0 {
			t.runCallbacks(run)
		}
	}()
	for len(run) > 0 {
		callback := run[0]
		run = run[1:]
		t.runCallback(callback)
	}
}

func (t *Task) runCallback(callback func()) {
	defer func() {
		if v := recover(); v != nil {
			slog.Error("futures: OnDone callback panicked",
				"task", t.Name(), "state", t.State().String(), "panic", v, "stack", string(debug.Stack()))
		}
	}()
	callback()
}

// onDone adds a callback, or runs it at once if the future is done.
func (t *Task) onDone(callback func()) {
	w := t.watch()
	if w == nil {
		t.runCallback(callback)
		return
	}
	w.callbacks = append(w.callbacks, callback)
	w.mu.Unlock()
}

// doneChan returns the channel that is closed when the future is done.
func (t *Task) doneChan() chan struct{} {
	w := t.watch()
	if w == nil {
		return closedChan
	}
	defer w.mu.Unlock()
	if w.done == nil {
		w.done = make(chan struct{})
	}
	return w.done
}

// subscribe adds a collector. It reports false if the future is done.
func (t *Task) subscribe(c collector, index int) bool {
	w := t.watch()
	if w == nil {
		return false
	}
	w.collectors = append(w.collectors, collection{c, index})
	w.mu.Unlock()
	return true
}

// unsubscribe removes a collector that does not want to be told any more.
func (t *Task) unsubscribe(c collector) {
	w := t.watch()
	if w == nil {
		return
	}
	defer w.mu.Unlock()
	for i, have := range w.collectors {
		if have.to == c {
			w.collectors = append(w.collectors[:i], w.collectors[i+1:]...)
			return
		}
	}
}

// settle returns once a collected future counts as done: its resolver told the
// collector with the watchers locked, and unlocks them afterwards.
func (t *Task) settle() {
	if !t.resolved() {
		w := t.rest().watchers.Load()
		w.mu.Lock()
		w.mu.Unlock() //lint:ignore SA2001 waiting for the lock is all there is to do
	}
}
