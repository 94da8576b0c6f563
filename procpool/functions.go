package procpool

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/codec"
)

// functions are those that the pool was asked to run. They have numbers in the order in
// which that was.
type functions struct {
	byIndex atomic.Pointer[[]*function] // by Definition.Index; nil for those not used yet

	mu  sync.Mutex // guards changes, and what follows
	all []*function
	// added is called with mu held, for each new function. Set before first use.
	added func(*function)
}

// of returns the pool's record of a definition.
func (fs *functions) of(d *futures.Definition) *function {
	if all := fs.byIndex.Load(); all != nil && d.Index() < len(*all) {
		if f := (*all)[d.Index()]; f != nil {
			return f
		}
	}
	return fs.add(d)
}

func (fs *functions) add(d *futures.Definition) *function {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var table []*function
	if old := fs.byIndex.Load(); old != nil {
		table = append(table, *old...)
	}
	for len(table) <= d.Index() {
		table = append(table, nil)
	}
	if f := table[d.Index()]; f != nil {
		return f
	}
	in, out := d.Types()
	f := &function{number: uint32(len(fs.all)), name: d.Name(), def: d, userCode: codec.RunsUserCode(out), direct: decodesAtOnce(out)}
	if err := codec.Check(in); err != nil {
		f.err = fmt.Errorf("procpool: argument of %s: %w", d.Name(), err)
	} else if err := codec.Check(out); err != nil {
		f.err = fmt.Errorf("procpool: value of %s: %w", d.Name(), err)
	}
	fs.all = append(fs.all, f)
	table[d.Index()] = f
	if fs.added != nil {
		fs.added(f)
	}
	fs.byIndex.Store(&table)
	return f
}

// names returns the names in the order of the numbers. The caller holds fs.mu.
func (fs *functions) names() []string {
	names := make([]string, len(fs.all))
	for i, f := range fs.all {
		names[i] = f.name
	}
	return names
}

// functionCounts are the outcomes of a function's tasks.
type functionCounts struct {
	succeeded, failed, cancelled, retried atomic.Uint64

	mu      sync.Mutex
	latency inspect.Histogram // from the start of sampled tasks to their outcome
}

func (c *functionCounts) done(outcome futures.State) {
	switch outcome {
	case futures.Succeeded:
		c.succeeded.Add(1)
	case futures.Failed:
		c.failed.Add(1)
	case futures.Cancelled:
		c.cancelled.Add(1)
	}
}

func (c *functionCounts) took(d time.Duration) {
	c.mu.Lock()
	c.latency[inspect.Bucket(d)]++
	c.mu.Unlock()
}

func (c *functionCounts) snapshot() inspect.Function {
	c.mu.Lock()
	defer c.mu.Unlock()
	return inspect.Function{
		Succeeded: c.succeeded.Load(), Failed: c.failed.Load(), Cancelled: c.cancelled.Load(),
		Retried: c.retried.Load(), Latency: c.latency,
	}
}
