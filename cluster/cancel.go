package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// A question is whether somebody has begun some jobs. It is guarded by Pool.feed.
type question struct {
	open     int           // jobs of which it is not known
	answered chan struct{} // closed when open is 0
}

const (
	cancelWait   = time.Second // for workers to say whether they have begun what is cancelled
	cancelRefs   = 16 << 10    // items in one message
	cancelRepeat = time.Second // between messages that tell to stop what does not end
)

// withdraw cancels jobs that were sent: it makes sure that no worker begins them, or finds out
// that one has. Those that are withdrawn are placeWithdrawn when it returns, of the others it
// is known that they have begun, or are over, or nobody has said in time what became of them
// and they count as begun. All says that they are all that the pool has, and that nothing of it
// is to remain on the server.
//
// Workers are told first. Then a job whose message the consumer has not delivered will be
// begun by nobody: whoever it is delivered to has been told before. A job whose message was
// delivered is with a worker, which answers.
func (p *Pool) withdraw(jobs []*job, all bool) {
	deadline := time.Now().Add(cancelWait)
	q := &question{answered: make(chan struct{})}
	var others []*question // that were asked before about the same
	var refs []envelope.Ref
	var mine []*job
	p.feed.Lock()
	for _, j := range jobs {
		j.told = j.told || all && j.place == placeSent
		switch asked := p.questions[j]; {
		case j.place != placeSent || j.begun:
		case asked != nil:
			others = append(others, asked)
		case j.chunk.refused: // nobody but us has it
			p.pull(j)
		default:
			p.questions[j] = q
			q.open++
			j.told = true
			if !all {
				refs = append(refs, envelope.Ref{Chunk: j.chunk.number, Index: int(j.index)})
			}
			mine = append(mine, j)
		}
	}
	p.feed.Unlock()
	if len(mine) > 0 {
		if all {
			p.tell(&envelope.Refs{Client: p.client, All: true})
		}
		p.tellToStop(refs)
		p.withdrawUndelivered(mine, all, deadline)
		waitUntil(q.answered, deadline)
	}
	for _, other := range others {
		waitUntil(other.answered, deadline)
	}
	p.feed.Lock()
	defer p.feed.Unlock()
	for _, j := range mine {
		if p.questions[j] == q {
			p.begin(j, -1) // as far as anybody can tell
			delete(p.questions, j)
		}
	}
}

// settleQuestion notes that it is known now whether somebody has begun a job. The caller
// holds feed.
func (p *Pool) settleQuestion(j *job) {
	if len(p.questions) == 0 {
		return
	}
	q := p.questions[j]
	if q == nil {
		return
	}
	delete(p.questions, j)
	if q.open--; q.open == 0 {
		close(q.answered)
	}
}

// dropped notes that the worker that had a job will not begin it. The caller holds feed.
func (p *Pool) dropped(j *job) {
	if p.questions[j] != nil {
		p.pull(j)
	}
}

// pull withdraws a job that was sent. The caller holds feed.
func (p *Pool) pull(j *job) {
	if j.place != placeSent {
		return
	}
	j.was, j.place = placeSent, placeWithdrawn
	p.count(j, false)
	p.wasStored(j)
	p.settleQuestion(j)
	p.leave(j)
}

// withdrawUndelivered withdraws those of the jobs whose messages no worker was given.
func (p *Pool) withdrawUndelivered(jobs []*job, all bool, deadline time.Time) {
	p.awaitStored(jobs, deadline)
	p.withdrawDelayed(jobs, deadline)
	var wanted [stream.Levels]bool
	for _, j := range jobs {
		wanted[j.level()] = true
	}
	delivered := p.delivered(wanted, deadline)
	var whole []*chunk // of which nothing is wanted any more
	p.feed.Lock()
	for _, j := range jobs {
		c := j.chunk
		if j.place != placeSent || j.begun || !c.stored || !c.due.IsZero() || c.sequence <= delivered[c.lane.level] {
			continue
		}
		p.pull(j)
		if c.left == 0 {
			p.forget(c, false)
			whole = append(whole, c)
		}
	}
	p.feed.Unlock()
	p.queue.Popped() // there is room again
	p.removeTasks(whole, all)
}

// removeWait bounds the wait for the server to have removed what is cancelled. It has just
// answered.
const removeWait = 10 * time.Second

// removeTasks removes messages that were not delivered, so that no worker finds them that
// comes later and has not been told: those of chunks, or all of the pool.
func (p *Pool) removeTasks(chunks []*chunk, all bool) {
	removed := make(chan struct{})
	left := atomic.Int64{}
	finish := func() {
		if left.Add(-1) == 0 {
			close(removed)
		}
	}
	switch {
	case all:
		left.Store(1)
		filter := p.conn.Names.TasksOf(p.client)
		p.errands.do(func(done func()) {
			p.conn.Purge(p.conn.Names.Tasks(), filter, func(uint64, error) { done(); finish() })
		})
	case len(chunks) > 0:
		left.Store(int64(len(chunks)))
		for _, c := range chunks {
			p.errands.do(func(done func()) {
				p.conn.Delete(p.conn.Names.Tasks(), c.sequence, func(bool, error) { done(); finish() })
			})
		}
	default:
		return
	}
	waitUntil(removed, time.Now().Add(removeWait))
}

// awaitStored waits until the server has answered to the messages of all jobs.
func (p *Pool) awaitStored(jobs []*job, deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for _, j := range jobs {
		p.feed.Lock()
		if j.place != placeSent || j.chunk.stored {
			p.feed.Unlock()
			continue
		}
		stored := p.whenStored(j)
		p.feed.Unlock()
		select {
		case <-stored:
		case <-timer.C:
			return
		}
	}
}

// never is a sequence number that no message has: everything counts as delivered.
const never = 1<<64 - 1

// delivered returns up to which sequence number messages of each level were delivered, for
// those that are wanted.
func (p *Pool) delivered(wanted [stream.Levels]bool, deadline time.Time) (sequences [stream.Levels]uint64) {
	type answer struct {
		level    int
		sequence uint64
	}
	answers := make(chan answer, stream.Levels)
	names, asked := p.conn.Names, 0
	for level := range sequences {
		sequences[level] = never
		if !wanted[level] {
			continue
		}
		asked++
		subject := "$JS.API.CONSUMER.INFO." + names.Tasks() + "." + names.Consumer(p.opts.QueueName, level)
		p.conn.Go(subject, nil, func(data []byte, err error) {
			var info struct {
				Delivered struct {
					Stream uint64 `json:"stream_seq"`
				} `json:"delivered"`
			}
			refused, is := errors.AsType[*stream.APIError](err)
			switch {
			case err == nil:
				err = json.Unmarshal(data, &info)
			case is && refused.ErrCode == stream.CodeConsumerNotFound:
				err = nil // there was no worker yet, and so nothing was delivered
			}
			if err != nil {
				p.opts.logger().Warn("cluster: it is not known what was delivered", "pool", p.opts.Name, "err", err)
				info.Delivered.Stream = never
			}
			answers <- answer{level, info.Delivered.Stream}
		})
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for range asked {
		select {
		case a := <-answers:
			sequences[a.level] = a.sequence
		case <-timer.C:
			return sequences
		}
	}
	return sequences
}

// tellToStop tells all workers to stop items and not to begin them.
func (p *Pool) tellToStop(refs []envelope.Ref) {
	for len(refs) > 0 {
		n := min(len(refs), cancelRefs)
		p.tell(&envelope.Refs{Client: p.client, Refs: refs[:n]})
		refs = refs[n:]
	}
}

func (p *Pool) tell(r *envelope.Refs) {
	// If there is no connection the keeper says it again, or the question runs out.
	_ = p.conn.NC.Publish(p.conn.Names.Cancel(), envelope.AppendCancel(nil, r))
}

// stop makes begun jobs end: their workers are told until they are over.
func (p *Pool) stop(jobs []*job) {
	var refs []envelope.Ref
	p.feed.Lock()
	for _, j := range jobs {
		if j.place == placeSent {
			p.stopping[j] = struct{}{}
			refs = append(refs, envelope.Ref{Chunk: j.chunk.number, Index: int(j.index)})
		}
	}
	p.feed.Unlock()
	p.tellToStop(refs)
}

// repeatStops tells the workers again to stop what has not stopped.
func (p *Pool) repeatStops() {
	var refs []envelope.Ref
	p.feed.Lock()
	for j := range p.stopping {
		refs = append(refs, envelope.Ref{Chunk: j.chunk.number, Index: int(j.index)})
	}
	p.feed.Unlock()
	p.tellToStop(refs)
}

// contextEnded ends the tasks of a submitter's context. Those that no worker has begun come
// before those that run, so that no worker finishes early and begins another one.
func (p *Pool) contextEnded(tasks []*futures.Task) {
	jobs := make([]*job, len(tasks))
	for i, t := range tasks {
		jobs[i] = t.Host().(*job)
	}
	p.withdraw(jobs, false)
	for _, t := range tasks {
		t.Expire()
	}
	p.stop(jobs)
}

// cancelAll cancels every task, and returns how many had not been begun and how many had.
func (p *Pool) cancelAll() (queued, running int) {
	p.stopAll.Store(true) // before looking: who puts a job in line looks at it afterwards
	p.feed.Lock()
	p.drainToLanes()
	var waiting, sent []*job
	for i := range p.lanes {
		for _, f := range []*fifo{&p.lanes[i].short, &p.lanes[i].single} {
			waiting = append(waiting, f.jobs[f.head:]...)
		}
	}
	for _, c := range p.chunks {
		for _, j := range c.jobs {
			if j != nil {
				sent = append(sent, j)
			}
		}
	}
	p.feed.Unlock()
	waiting = append(waiting, p.delays.All()...)
	for _, j := range waiting {
		if j.task.Pending() && j.task.Cancel() {
			queued++
		}
	}
	p.withdraw(sent, true)
	for _, j := range sent {
		switch {
		case j.task.Resolved() && j.task.State() != futures.Cancelled: // it was faster
		case !j.task.Resolved() && j.task.Cancel():
			queued++
		default:
			running++
		}
	}
	return queued, running
}

// abandon resolves the jobs that have not ended although they were told to: they are
// cancelled here, whatever becomes of them elsewhere.
func (p *Pool) abandon() {
	var left []*job
	p.feed.Lock()
	for _, c := range p.chunks {
		for _, j := range c.jobs {
			if j == nil || j.place != placeSent {
				continue
			}
			p.begin(j, -1)
			j.place = placeOver
			p.leave(j)
			left = append(left, j)
		}
	}
	p.feed.Unlock()
	for _, j := range left {
		j.task.Conclude(fmt.Errorf("%w: its worker has not ended it in %v", futures.ErrCancelled, abandonAfter))
		p.settleOutcome(j)
	}
}

// abandonAfter is how long Shutdown waits for what was told to stop.
const abandonAfter = time.Second
