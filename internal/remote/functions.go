package remote

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
)

// Functions has an executor's record of each function that it was asked to run. Of reads
// it without a lock.
type Functions[F any] struct {
	sync.Mutex // held while Make and Added are called

	// Make returns the record of a function, which is the number-th. Set before first use.
	Make func(d *futures.Definition, number int) *F

	// Added, if it is set, is called with each new record before Of returns it.
	Added func(*F)

	byIndex atomic.Pointer[[]*F] // by Definition.Index; nil for those not used yet
	all     []*F                 // in the order of their numbers
}

// Of returns the record of a function, made now if need be.
func (fs *Functions[F]) Of(d *futures.Definition) *F {
	if all := fs.byIndex.Load(); all != nil && d.Index() < len(*all) {
		if f := (*all)[d.Index()]; f != nil {
			return f
		}
	}
	fs.Lock()
	defer fs.Unlock()
	var table []*F
	if old := fs.byIndex.Load(); old != nil {
		table = append(table, *old...)
	}
	for len(table) <= d.Index() {
		table = append(table, nil)
	}
	if f := table[d.Index()]; f != nil {
		return f
	}
	f := fs.Make(d, len(fs.all))
	fs.all = append(fs.all, f)
	table[d.Index()] = f
	if fs.Added != nil {
		fs.Added(f)
	}
	fs.byIndex.Store(&table)
	return f
}

// All returns the records in the order of their numbers. The caller holds the lock.
func (fs *Functions[F]) All() []*F { return fs.all }

// Counts are the outcomes of a function's tasks.
type Counts struct {
	succeeded, failed, cancelled, retried atomic.Uint64

	mu      sync.Mutex
	latency inspect.Histogram // from the start of sampled tasks to their outcome
}

// Done counts a task by its outcome.
func (c *Counts) Done(outcome futures.State) {
	switch outcome {
	case futures.Succeeded:
		c.succeeded.Add(1)
	case futures.Failed:
		c.failed.Add(1)
	case futures.Cancelled:
		c.cancelled.Add(1)
	}
}

// Retried counts attempts that were followed by another.
func (c *Counts) Retried(n int) { c.retried.Add(uint64(n)) }

// Took counts how long a task has run.
func (c *Counts) Took(d time.Duration) {
	c.mu.Lock()
	c.latency[inspect.Bucket(d)]++
	c.mu.Unlock()
}

// Snapshot returns the counts.
func (c *Counts) Snapshot() inspect.Function {
	c.mu.Lock()
	defer c.mu.Unlock()
	return inspect.Function{
		Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), Cancelled: c.cancelled.Load(),
		Retried: c.retried.Load(), Latency: c.latency,
	}
}
