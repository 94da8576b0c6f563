package cluster

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// lane is where the tasks of one level are on their way to storage. It is guarded by
// Pool.feed but for the two flags.
//
// Short tasks gather while one message of theirs is unanswered: so one in flight has no
// wait at all, and a thousand share a few messages. Others have a message each, up to
// singleWindow of them unanswered.
type lane struct {
	level   int
	short   fifo
	single  fifo
	singles int // messages of single jobs that are unanswered

	// Whoever finds its flag set need not look: when the answer comes, all that is in the
	// queue then is sent. They are cleared before the queue is looked at.
	shortBusy  atomic.Bool
	singleBusy atomic.Bool
}

const singleWindow = 256

// holds reports whether a job would wait in the lane.
func (l *lane) holds(j *job) bool {
	if j.short() {
		return l.shortBusy.Load()
	}
	return l.singleBusy.Load()
}

// withdrawn notes that a job in the lane is cancelled. The caller holds feed.
func (l *lane) withdrawn(*job) {
	l.short.dead++ // in one of the two: it matters only that they are looked through some time
	l.short.tidy()
	l.single.dead++
	l.single.tidy()
}

// fifo is a queue of jobs. Those that were withdrawn are skipped.
type fifo struct {
	jobs []*job // jobs[head:] are in line
	head int
	dead int // about as many of them were withdrawn
}

func (f *fifo) len() int { return len(f.jobs) - f.head }

func (f *fifo) push(j *job) {
	if len(f.jobs) == cap(f.jobs) && 2*f.head >= len(f.jobs) && f.head > 0 {
		f.keep(f.jobs[f.head:])
	}
	f.jobs = append(f.jobs, j)
}

// keep makes jobs, a part of f.jobs, all that is in line.
func (f *fifo) keep(jobs []*job) {
	n := copy(f.jobs, jobs)
	clear(f.jobs[n:])
	f.jobs, f.head = f.jobs[:n], 0
}

// first returns the first job, which stays in line, or nil.
func (f *fifo) first() *job {
	for f.head < len(f.jobs) {
		if j := f.jobs[f.head]; j.place == placeLane {
			return j
		}
		f.drop()
	}
	return nil
}

// drop takes the first job out of line.
func (f *fifo) drop() {
	f.jobs[f.head] = nil
	f.head++
	if f.head < len(f.jobs) {
		return
	}
	f.head, f.dead = 0, 0
	if f.jobs = f.jobs[:0]; cap(f.jobs) > 4*chunkItems {
		f.jobs = nil
	}
}

// tidy removes the withdrawn jobs once they may be many.
func (f *fifo) tidy() {
	if f.dead > chunkItems && f.dead > f.len()/2 {
		f.keep(slices.DeleteFunc(f.jobs[f.head:], func(j *job) bool { return j.place != placeLane }))
		f.dead = 0
	}
}

// chunk is a task message. It is guarded by Pool.feed.
type chunk struct {
	number   uint64
	lane     *lane
	epoch    *epoch // nil: its result is removed by its subject
	jobs     []*job // by index; nil for those that are over or were withdrawn
	left     int    // of jobs that are not nil
	sequence uint64 // in the stream, once stored
	message  *buffer
	due      time.Time     // the server keeps it back until then; zero if it does not
	sent     time.Duration // since Pool.began
	looked   time.Duration // likewise: when its result was looked up last
	short    bool          // it takes the lane's place for short tasks
	stored   bool          // acknowledged
	refused  bool          // the server's queue was full; it will be sent again
	split    bool          // its items have results of their own
	kept     bool          // somebody has the id of one of its tasks
	alone    [1]*job       // memory of jobs, if there is one
}

// drain takes what is queued to the lanes, and sends what may be sent. The caller holds
// feed.
func (p *Pool) drain() {
	p.drainToLanes()
	if p.stopAll.Load() {
		return
	}
	for i := range p.lanes {
		p.sendLane(&p.lanes[i])
	}
}

// drainToLanes takes what is queued to the lanes. The caller holds feed.
func (p *Pool) drainToLanes() {
	for t := p.queue.Pop(&p.popper); t != nil; t = p.queue.Pop(&p.popper) {
		j := t.Host().(*job)
		if j.place != placeQueued || !t.Pending() {
			p.queue.Skipped() // cancelled
			continue
		}
		p.enter(j)
	}
}

// enter puts a job that is out of the queue into its lane. The caller holds feed.
func (p *Pool) enter(j *job) {
	j.place = placeLane
	p.count(j, true)
	l := &p.lanes[j.level()]
	if j.short() {
		l.short.push(j)
	} else {
		l.single.push(j)
	}
}

func (p *Pool) sendLane(l *lane) {
	for l.singles < singleWindow {
		j := l.single.first()
		if j == nil {
			break
		}
		l.single.drop()
		if j.short() { // as is known by now
			l.short.push(j)
			continue
		}
		l.singles++
		l.singleBusy.Store(l.singles >= singleWindow)
		p.sendChunk(p.newChunk(l, append(p.gathered[:0], j)))
	}
	if !l.shortBusy.Load() {
		p.sendShort(l)
	}
}

// sendShort makes one message of the short jobs in line.
func (p *Pool) sendShort(l *lane) {
	jobs := p.gathered[:0]
	size, work := 0, time.Duration(0)
	for len(jobs) < chunkItems {
		j := l.short.first()
		if j == nil || len(jobs) > 0 && (size+len(j.item.b) > chunkBytes || work > chunkWork) {
			break
		}
		l.short.drop()
		size += len(j.item.b)
		work += time.Duration(j.fn.average.Load())
		jobs = append(jobs, j)
	}
	p.gathered = jobs
	if len(jobs) > 0 {
		l.shortBusy.Store(true)
		c := p.newChunk(l, jobs)
		c.short = true
		p.sendChunk(c)
	}
}

// newChunk makes a message of jobs, whose slice stays the caller's. The caller holds feed.
func (p *Pool) newChunk(l *lane, jobs []*job) *chunk {
	p.lastChunk++
	c := &chunk{number: p.lastChunk, lane: l, left: len(jobs), sent: time.Since(p.began)}
	if c.jobs = c.alone[:]; len(jobs) > 1 {
		c.jobs = make([]*job, len(jobs))
	}
	copy(c.jobs, jobs)
	clear(jobs)
	p.chunks[c.number] = c
	return c
}

// sendChunk sends a message. The caller holds feed.
func (p *Pool) sendChunk(c *chunk) {
	c.epoch = p.epochOf(c.jobs[0].fn)
	p.fill(c)
	p.publish(c)
}

// fill makes the bytes of a message. The caller holds feed.
func (p *Pool) fill(c *chunk) {
	c.message = messages.Get().(*buffer)
	p.head.Client, p.head.Epoch, p.head.Chunk, p.head.Index = p.client, c.epoch.name(), c.number, envelope.Whole
	b := envelope.AppendTaskHead(c.message.b[:0], &p.head, len(c.jobs))
	for i, j := range c.jobs {
		at := len(b)
		b = append(b, j.item.b...)
		made := 0
		if j.retries {
			made = min(j.task.Attempt(), envelope.MaxAttempts)
		} else {
			releaseTo(&items, j.item, sharedItem)
			j.item = nil
		}
		envelope.SetItem(b[at:], i, made)
		j.chunk, j.index, j.place = c, int32(i), placeSent
		if j.kept {
			p.keep(c)
		}
	}
	c.message.b = b
}

// publish sends the bytes of a message. The caller holds feed.
func (p *Pool) publish(c *chunk) {
	id := p.client + "." + envelope.FormatChunk(c.number)
	done := func(sequence uint64, err error) { p.answered(c, sequence, err) }
	var err error
	if c.due.IsZero() {
		subject := p.conn.Names.Task(p.opts.QueueName, c.lane.level, p.client, c.number, envelope.Whole)
		err = p.publisher.Publish(subject, id, nil, c.message.b, done)
	} else {
		err = p.publishLater(c, id, done)
	}
	if err != nil {
		go p.answered(c, 0, err)
	}
}

// answered takes the server's answer to a chunk.
func (p *Pool) answered(c *chunk, sequence uint64, err error) {
	if stream.IsFull(err) && !p.opts.RejectWhenFull {
		p.full(c)
		return
	}
	p.feed.Lock()
	var failed []*job
	if err == nil {
		c.stored, c.sequence = true, sequence
	}
	for _, j := range c.jobs {
		switch {
		case j == nil:
		case err == nil:
			p.wasStored(j)
		case j.place == placeSent:
			j.place = placeOver
			p.count(j, false)
			p.wasStored(j)
			failed = append(failed, j)
		}
	}
	if err != nil {
		for _, j := range failed {
			p.leave(j)
		}
		p.forget(c, false)
	}
	releaseTo(&messages, c.message, 2*chunkBytes)
	c.message = nil
	switch {
	case !c.due.IsZero():
	case c.short:
		c.lane.shortBusy.Store(false)
	default:
		c.lane.singles--
		c.lane.singleBusy.Store(false)
	}
	p.drain()
	p.feed.Unlock()
	for _, j := range failed {
		p.refuse(j, sendError(j, err))
	}
	if failed != nil {
		p.queue.Popped()
	}
}

// full has a chunk sent again that the server had no room for.
func (p *Pool) full(c *chunk) {
	p.feed.Lock()
	c.refused = true
	p.feed.Unlock()
	time.AfterFunc(fullRetry, func() {
		p.feed.Lock()
		defer p.feed.Unlock()
		c.refused = false
		if c.left == 0 { // all were cancelled meanwhile
			go p.answered(c, 0, errAllCancelled)
			return
		}
		p.thin(c)
		p.publish(c)
	})
}

// fullRetry is how long the client waits before it offers tasks again to a server whose
// queue is full.
const fullRetry = 100 * time.Millisecond

// thin takes the items out of a message that are not to run any more. The caller holds feed.
func (p *Pool) thin(c *chunk) {
	if c.left == len(c.jobs) {
		return
	}
	var t envelope.Task
	if err := envelope.ParseTask(c.message.b, &t); err != nil {
		panic("cluster: a message of our own: " + err.Error())
	}
	t.Items = slices.DeleteFunc(t.Items, func(it envelope.Item) bool { return c.jobs[it.Index] == nil })
	c.message = &buffer{envelope.AppendTask(nil, &t)}
}
