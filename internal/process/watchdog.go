package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// sampling is the interval of the watchdog. A program that allocates as fast as it can
// gets a few percent over a limit of 256 MiB in it; a sample costs a few microseconds.
const sampling = 10 * time.Millisecond

var errUnsupported = fmt.Errorf("not on this system: %w", errors.ErrUnsupported)

// dog watches all processes that have a limit.
var dog watchdog

// watchdog samples the memory of processes, with one goroutine while there are any.
type watchdog struct {
	mu      sync.Mutex // before Process.mu
	watched []*Process
	stop    chan struct{} // ends the goroutine; made with the first process, closed with the last
}

// add is called before p can be removed.
func (w *watchdog) add(p *Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched = append(w.watched, p)
	if len(w.watched) == 1 {
		w.stop = make(chan struct{})
		go w.run(w.stop)
	}
}

func (w *watchdog) remove(p *Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.Index(w.watched, p)
	w.watched = slices.Delete(w.watched, i, i+1)
	if len(w.watched) == 0 {
		close(w.stop)
	}
}

func (w *watchdog) run(stop chan struct{}) {
	tick := time.NewTicker(sampling)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for _, p := range w.watched {
			p.checkMemory()
		}
		w.mu.Unlock()
	}
}

// checkMemory kills the process if it is over its limit (P7).
func (p *Process) checkMemory() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped || p.sample > 0 {
		return
	}
	if rss, err := p.rss.read(p.leader.pid); err == nil && rss > p.limit {
		p.sample = rss
		p.kill()
	}
}

// RSS returns the resident memory of the process in bytes, without what it shares
// with others (files, shared memory). The error is os.ErrProcessDone after its death.
func (p *Process) RSS() (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return 0, os.ErrProcessDone
	}
	return p.rss.read(p.leader.pid)
}
