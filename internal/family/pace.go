package family

import (
	"runtime"
	"sync/atomic"
)

// pace has the garbage collector run in time. An object is let go of when the collector finds
// that nobody has it, and to the collector a handle is a few hundred bytes, whatever hangs on
// it. So the memory that this process holds is counted as the collector counts the heap: when
// it has doubled since the last time, it is time to look.
type pace struct {
	held    atomic.Int64
	limit   atomic.Int64
	looking atomic.Bool
}

var heldHere pace // by all of this process's objects

const (
	leastHeld = 64 << 20
	placeCost = 16 << 10 // what an object counts for its place in the table
)

func weight(o *Object) int64 { return int64(o.size) + placeCost }

func (p *pace) add(n int64) {
	if p.held.Add(n) <= max(p.limit.Load(), leastHeld) || !p.looking.CompareAndSwap(false, true) {
		return
	}
	go func() {
		runtime.GC()
		p.limit.Store(2 * p.held.Load()) // drop lowers it as objects are let go of
		p.looking.Store(false)
	}()
}

func (p *pace) drop(n int64) {
	if twice := 2 * p.held.Add(-n); twice < p.limit.Load() {
		p.limit.Store(twice)
	}
}
