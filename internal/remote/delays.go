package remote

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Delays are the jobs of an executor that wait in this process: before their Delay is over, or
// between two attempts. The zero value has none. All methods may be called together.
type Delays[J comparable] struct {
	mu     sync.Mutex
	timers map[J]*time.Timer
}

// Start has over called, in a goroutine of its own, after a while, unless the job is forgotten
// before. The job stays until Forget is called, by over too.
func (d *Delays[J]) Start(j J, wait time.Duration, over func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timers == nil {
		d.timers = make(map[J]*time.Timer)
	}
	d.timers[j] = time.AfterFunc(wait, over)
}

// Forget removes a job, and reports whether it was there: of several callers one is told so.
func (d *Delays[J]) Forget(j J) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	timer, there := d.timers[j]
	if there {
		timer.Stop()
		delete(d.timers, j)
	}
	return there
}

// All returns the jobs, in no order.
func (d *Delays[J]) All() []J {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.timers))
}

// Len returns how many jobs there are.
func (d *Delays[J]) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.timers)
}
