package procpool

import "time"

// delay keeps a job that will be run, or run again, after a while. The job is the caller's.
func (p *Pool) delay(j *job, wait time.Duration) {
	p.feed.Lock()
	j.place = placeDelayed // from here on it can be cancelled
	p.delays.Start(j, wait, func() { p.requeue(j) })
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
	if !p.delays.Forget(j) {
		return // cancelled or refused
	}
	p.feed.Lock()
	if j.place != placeDelayed {
		p.feed.Unlock()
		return // cancelled, by who has not come to forgetting it
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
