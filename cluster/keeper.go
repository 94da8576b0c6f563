package cluster

import (
	"sync"
	"sync/atomic"
	"time"
)

// keeper does what is due from time to time, in one goroutine. It sleeps while the pool has
// no task.
type keeper struct {
	asleep atomic.Bool
	wake   chan struct{} // holds one
	quit   chan struct{} // closed by tearDown
	gone   sync.WaitGroup
}

// rouse is called after there is something to do.
func (k *keeper) rouse() {
	if k.asleep.Load() {
		select {
		case k.wake <- struct{}{}:
		default:
		}
	}
}

const (
	keepEach  = time.Second
	lookEach  = 3  // ticks between two looks for results that did not come
	lookMost  = 64 // of them at a time
	lookAfter = 3 * time.Second
)

// keep is the keeper's goroutine.
func (p *Pool) keepGoing() {
	k := &p.keeper
	ticker := time.NewTicker(keepEach)
	defer ticker.Stop()
	for ticks := 1; ; ticks++ {
		if p.idle() {
			ticker.Stop()
			k.asleep.Store(true)
			if p.idle() { // whoever came before it could see that we sleep is seen here
				select {
				case <-k.wake:
				case <-k.quit:
					return
				}
			}
			k.asleep.Store(false)
			ticker.Reset(keepEach)
		}
		select {
		case <-ticker.C:
		case <-k.quit:
			return
		}
		p.rollSentinel()
		p.feed.Lock()
		p.sealEpochs()
		p.feed.Unlock()
		p.purge()
		p.repeatStops()
		if ticks%lookEach == 0 {
			p.lookUp(p.outdated(lookMost, lookAfter))
			p.attached.lookUp()
		}
	}
}

// idle reports whether nothing is due until somebody rouses the keeper.
func (p *Pool) idle() bool {
	if p.outstanding.Load() > 0 || p.attached.len() > 0 {
		return false
	}
	p.feed.Lock()
	defer p.feed.Unlock()
	return p.epochs == [epochKinds]*epoch{} && len(p.fresh)+len(p.ripe) == 0
}

// fences are those that are under way.
type fences struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan struct{}
}

func (f *fences) next() (id uint64, came <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	if f.waiting == nil {
		f.waiting = make(map[uint64]chan struct{})
	}
	ch := make(chan struct{})
	f.waiting[f.last] = ch
	return f.last, ch
}

// came notes that a fence has come, or that nobody waits for it any more.
func (f *fences) came(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ch := f.waiting[id]; ch != nil {
		close(ch)
		delete(f.waiting, id)
	}
}

// errands are requests to the server of which nobody waits for the outcome, a bounded number
// at a time: JetStream drops requests when too many wait.
type errands struct {
	mu      sync.Mutex
	waiting []func(done func())
	running int
	idle    chan struct{} // closed when there are none, if somebody waits
	closed  bool          // no more are taken
}

const errandsAtOnce = 128

// do has fn called, now or later; fn must not block, and calls done once.
func (e *errands) do(fn func(done func())) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return
	}
	if e.running >= errandsAtOnce {
		e.waiting = append(e.waiting, fn)
		e.mu.Unlock()
		return
	}
	e.running++
	e.mu.Unlock()
	fn(e.done)
}

func (e *errands) done() {
	e.mu.Lock()
	if len(e.waiting) > 0 {
		next := e.waiting[0]
		e.waiting[0] = nil
		e.waiting = e.waiting[1:]
		e.mu.Unlock()
		next(e.done)
		return
	}
	e.running--
	if e.running == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
	e.mu.Unlock()
}

// wait waits until no errand is left, at most so long.
func (e *errands) wait(most time.Duration) {
	e.mu.Lock()
	if e.running == 0 {
		e.mu.Unlock()
		return
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	waitUntil(idle, time.Now().Add(most))
}

// close is wait, and no more are taken. What has not been begun then is not.
func (e *errands) close(most time.Duration) {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.wait(most)
	e.mu.Lock()
	e.waiting = nil
	e.mu.Unlock()
}
