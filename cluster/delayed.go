package cluster

import (
	"sync"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// A task with a Delay has no place in the queue before that is over, and needs no room then. A
// short delay passes here; for a longer one the server keeps the task, and puts it in line
// also if this program has ended.

// localDelay is the longest delay that passes here: the server is late by up to a quarter of a
// second.
const localDelay = 500 * time.Millisecond

// admitLater takes a task that is to be queued after a while.
func (p *Pool) admitLater(j *job, wait time.Duration) error {
	// The job counts as outstanding: who refuses only now waits for it.
	if reason := p.queue.Refusal(); reason != nil {
		return reason
	}
	if wait <= localDelay {
		p.delay(j, wait)
		return nil
	}
	p.feed.Lock()
	defer p.feed.Unlock()
	c := p.newChunk(&p.lanes[j.level()], []*job{j})
	c.due = time.Now().Add(wait)
	p.fill(c)
	p.publish(c)
	return nil
}

// publishLater sends the message of a chunk to where it waits.
func (p *Pool) publishLater(c *chunk, id string, done func(uint64, error)) error {
	names := p.conn.Names
	header := stream.ScheduleHeader(c.due, names.Due(p.opts.QueueName, c.lane.level, p.client, c.number))
	return p.publisher.Publish(names.At(p.client, c.number), id, header, c.message.b, done)
}

// withdrawDelayed withdraws jobs of which the server still keeps the message back, and finds
// those that are in line by now.
func (p *Pool) withdrawDelayed(jobs []*job, deadline time.Time) {
	names := p.conn.Names
	var answers sync.WaitGroup
	for _, j := range jobs {
		p.feed.Lock()
		c := j.chunk
		if j.place != placeSent || c.due.IsZero() {
			p.feed.Unlock()
			continue
		}
		level, number := c.lane.level, c.number
		p.feed.Unlock()
		answers.Add(1)
		p.conn.Purge(names.Later(), names.At(p.client, number), func(removed uint64, err error) {
			if err == nil && removed > 0 {
				p.feed.Lock()
				p.pull(j)
				delete(p.chunks, number)
				p.feed.Unlock()
				answers.Done()
				return
			}
			p.conn.Last(names.Tasks(), names.Task(p.opts.QueueName, level, p.client, number, envelope.Whole), func(s stream.Stored, err error) {
				if err == nil {
					p.feed.Lock()
					c.sequence, c.due = s.Sequence, time.Time{}
					p.feed.Unlock()
				}
				answers.Done()
			})
		})
	}
	all := make(chan struct{})
	go func() { answers.Wait(); close(all) }()
	waitUntil(all, deadline)
}

// waitUntil waits for a channel to be closed, until deadline.
func waitUntil(ch <-chan struct{}, deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-ch:
	case <-timer.C:
	}
}

// delay keeps a job that will be sent after a while. The job is the caller's.
func (p *Pool) delay(j *job, wait time.Duration) {
	p.feed.Lock()
	j.begun = false
	j.place = placeDelayed // from here on it can be cancelled
	p.delays.Start(j, wait, func() { p.delayed(j) })
	p.feed.Unlock()
	if p.stopAll.Load() {
		j.task.Cancel()
	}
}

// delayed puts a job whose delay is over in line. It was admitted before, so it needs no
// room.
func (p *Pool) delayed(j *job) {
	p.feed.Lock()
	if j.place == placeDelayed {
		p.delays.Forget(j)
		p.enter(j)
		p.drain()
	}
	p.feed.Unlock()
	if p.stopAll.Load() {
		j.task.Cancel()
	}
}
