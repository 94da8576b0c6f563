package procpool

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// delays are the jobs before their Delay is over, and between two attempts.
type delays struct {
	mu     sync.Mutex
	timers map[*job]*time.Timer
}

func (d *delays) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.timers)
}

// forget removes a job that will not be run again.
func (d *delays) forget(j *job) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if timer := d.timers[j]; timer != nil {
		timer.Stop()
		delete(d.timers, j)
	}
}

// all returns the jobs.
func (d *delays) all() []*job {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.timers))
}

// delay keeps a job that will be run, or run again, after a while. The job is the caller's.
func (p *Pool) delay(j *job, wait time.Duration) {
	d := &p.delays
	d.mu.Lock()
	if d.timers == nil {
		d.timers = make(map[*job]*time.Timer)
	}
	d.timers[j] = time.AfterFunc(wait, func() { p.requeue(j) })
	d.mu.Unlock()
	p.feed.Lock()
	j.place = placeDelayed // from here on it can be cancelled
	p.feed.Unlock()
	if p.refuses.Load() {
		p.refuseAll()
	}
	if p.stopAll.Load() {
		j.task.Cancel()
	}
}

// requeue puts a job whose delay is over back in line. It was admitted before, so it
// needs no room.
func (p *Pool) requeue(j *job) {
	d := &p.delays
	d.mu.Lock()
	_, still := d.timers[j]
	delete(d.timers, j)
	d.mu.Unlock()
	if !still {
		return
	}
	p.feed.Lock()
	for j.place == placeOver { // delay has not got there yet
		p.feed.Unlock()
		time.Sleep(time.Microsecond)
		p.feed.Lock()
	}
	if j.place != placeDelayed {
		p.feed.Unlock()
		return // cancelled
	}
	j.place = placeQueued
	p.queue.Requeue(j.task)
	p.feed.Unlock()
	if p.refuses.Load() {
		p.refuseAll()
	}
	if p.stopAll.Load() {
		j.task.Cancel()
	}
	p.transport.hand()
	p.grow()
}
