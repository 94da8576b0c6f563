package ipc

import (
	"sync/atomic"

	"github.com/futures-go/futures/internal/wake"
)

// polling is a place where goroutines of this process look for something for a while before
// they sleep. Only one at a time does, because more would take the CPU from each other.
type polling struct {
	spin wake.Spin
	busy atomic.Bool
}

func newPolling() *polling {
	return &polling{spin: wake.Spin{Max: wake.DefaultSpin, Goroutines: true}}
}

// until polls ready, and reports what it returned last.
func (p *polling) until(ready func() bool) bool {
	if ready() {
		return true
	}
	if !p.busy.CompareAndSwap(false, true) {
		return false
	}
	defer p.busy.Store(false)
	return p.spin.Until(ready)
}

// always is for wait sets whose waiters all wait for the same thing.
func always() bool { return true }
