package gopool

import (
	"context"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// profile is what a worker keeps about the tasks of one function: the labels
// under which profiles show them, and their statistics. Counters are written by
// the worker only, and read by Inspect at any time.
type profile struct {
	key    futures.FunctionKey
	name   string
	labels context.Context

	outcomes [5]atomic.Uint64 // by futures.State
	retried  atomic.Uint64
	latency  [len(inspect.Histogram{})]atomic.Uint64

	began time.Time     // start of the current run; zero if it is not timed
	calls uint64        // runs begun
	mean  time.Duration // of those that were timed, moving
}

// Reading the clock twice costs as much as the whole of a small task. So all
// runs of a function are timed while they are few or long, else one in
// sampleEvery.
const (
	timeFirst   = 16
	timeAbove   = 10 * time.Microsecond
	sampleEvery = 64
)

// profiles are the profiles of one worker.
type profiles struct {
	last *profile // whose labels the goroutine has; nil for none
	all  map[futures.FunctionKey]*profile
}

// of returns the profile for a task, and labels the goroutine with it.
func (ps *profiles) of(w *worker, t *futures.Task) *profile {
	key := t.Key()
	if ps.last != nil && ps.last.key == key {
		return ps.last
	}
	p := ps.all[key]
	if p == nil {
		p = &profile{key: key, name: key.Name()}
		p.labels = pprof.WithLabels(context.Background(), pprof.Labels("function", p.name, "pool", w.pool.opts.Name))
		w.pool.mu.Lock() // Inspect may be reading the map
		if ps.all == nil {
			ps.all = make(map[futures.FunctionKey]*profile)
		}
		ps.all[key] = p
		w.pool.mu.Unlock()
	}
	pprof.SetGoroutineLabels(p.labels)
	ps.last = p
	return p
}

// rest takes the labels off a worker that has nothing to do.
func (ps *profiles) rest(w *worker) {
	if ps.last != nil {
		pprof.SetGoroutineLabels(context.Background())
		ps.last = nil
	}
	if w.started.Load() != 0 {
		w.started.Store(0)
	}
}

// begin is called before a run.
func (p *profile) begin(w *worker) {
	p.calls++
	if p.calls > timeFirst && p.mean < timeAbove && p.calls%sampleEvery != 0 {
		if !p.began.IsZero() {
			p.began = time.Time{}
			w.started.Store(0)
		}
		return
	}
	p.began = time.Now()
	w.started.Store(p.began.UnixNano())
}

// end is called after a run.
func (p *profile) end(t *futures.Task, again bool) {
	if !p.began.IsZero() {
		d := time.Since(p.began)
		p.mean += (d - p.mean) / 4
		increment(&p.latency[inspect.Bucket(d)])
	}
	if again {
		increment(&p.retried)
	} else {
		increment(&p.outcomes[t.Outcome()])
	}
}

// increment adds one to a counter that only the caller writes.
func increment(counter *atomic.Uint64) { counter.Store(counter.Load() + 1) }

// addTo adds what p has counted to what is known of its function, and returns
// how many tasks it has finished.
func (p *profile) addTo(functions map[string]inspect.Function) (done uint64) {
	succeeded, failed, cancelled := p.outcomes[futures.Succeeded].Load(), p.outcomes[futures.Failed].Load(), p.outcomes[futures.Cancelled].Load()
	f := functions[p.name]
	f.Succeeded += succeeded
	f.Failed += failed
	f.Cancelled += cancelled
	f.Retried += p.retried.Load()
	for i := range p.latency {
		f.Latency[i] += p.latency[i].Load()
	}
	functions[p.name] = f
	return succeeded + failed + cancelled
}
