package wake

import (
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
)

// Sleep returns once ready reports true, and blocks the calling thread until then.
// parked is the word by which wakers find the waiter; nobody else waits with it.
//
// ready is called several times. It must be true from the moment it becomes true
// until the waiter acts, as far as other processes are concerned.
func Sleep(parked *atomic.Uint32, ready func() bool) error {
	return sleep(parked, ready, func() error { return FutexWait(parked, 1, -1) })
}

// Wake wakes the waiter that sleeps with Sleep, if there is one. The caller has made
// ready true before. It reports whether a waiter had announced itself.
func Wake(parked *atomic.Uint32) bool {
	if !take(parked) {
		return false
	}
	assert.Reach("sleeper taken, not woken")
	FutexWake(parked, 1)
	return true
}

// Sleep is like the function Sleep, but blocks only the calling goroutine. The
// error is that of [Bell.Wait].
func (b *Bell) Sleep(parked *atomic.Uint32, ready func() bool) error {
	return sleep(parked, ready, b.Wait)
}

// Wake rings if the waiter that uses parked and this bell has announced itself, and
// reports whether it had. The caller has made ready true before.
func (b *Bell) Wake(parked *atomic.Uint32) bool {
	if !take(parked) {
		return false
	}
	b.Ring()
	return true
}

func sleep(parked *atomic.Uint32, ready func() bool, block func() error) error {
	for !ready() {
		parked.Store(1)
		Fence()
		if ready() {
			// Taken back to spare wakers a system call. One that was faster has
			// rung already; the next wait ends without a cause then.
			parked.Store(0)
			return nil
		}
		if err := block(); err != nil {
			parked.Store(0)
			return err
		}
	}
	return nil
}

// take takes the announcement away, so that one waker of many rings.
func take(parked *atomic.Uint32) bool {
	Fence()
	return parked.Load() != 0 && parked.Swap(0) != 0
}
