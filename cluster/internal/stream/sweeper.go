package stream

import (
	"sync"
	"sync/atomic"
	"time"
)

// A sweeper calls a function every sweepEach while there is something to watch.
type sweeper struct {
	do     func(now time.Time) (more bool)
	asleep atomic.Bool
	wake   chan struct{} // holds one
	quit   chan struct{} // closed by stop
	once   sync.Once
	gone   chan struct{} // closed when the goroutine has ended
}

func newSweeper(do func(time.Time) bool) *sweeper {
	s := &sweeper{do: do, wake: make(chan struct{}, 1), quit: make(chan struct{}), gone: make(chan struct{})}
	go s.run()
	return s
}

func (s *sweeper) run() {
	defer close(s.gone)
	ticker := time.NewTicker(sweepEach)
	defer ticker.Stop()
	for {
		select {
		case <-s.quit:
			return
		case now := <-ticker.C:
			if s.do(now) {
				continue
			}
		}
		ticker.Stop()
		s.asleep.Store(true)
		// Whoever added something before it could see that we sleep is seen here.
		if !s.do(time.Now()) {
			select {
			case <-s.quit:
				return
			case <-s.wake:
			}
		}
		s.asleep.Store(false)
		ticker.Reset(sweepEach)
	}
}

// watch is called after something was added that may become due.
func (s *sweeper) watch() {
	if s.asleep.Load() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// stop ends the goroutine and waits for it.
func (s *sweeper) stop() {
	s.once.Do(func() { close(s.quit) })
	<-s.gone
}
