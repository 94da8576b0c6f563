package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/remote"
)

// receiver is the memory that one goroutine takes results with.
type receiver struct {
	result envelope.Result
	notice envelope.Notice
	batch  []arrival
}

// arrival is an outcome and its job, whose resolver has it.
type arrival struct {
	job     *job
	outcome *envelope.Outcome
}

// resultCame is the callback of the results' subscription.
func (p *Pool) resultCame(m *nats.Msg) { p.take(m.Data, &p.results) }

// noticeCame is the callback of the notices' subscription.
func (p *Pool) noticeCame(m *nats.Msg) {
	if !envelope.IsNotice(m.Data) {
		p.take(m.Data, &p.notices)
		return
	}
	n := &p.notices.notice
	if err := envelope.ParseNotice(m.Data, n); err != nil {
		p.malformed(m.Subject, err)
		return
	}
	if n.Fence != 0 {
		p.fences.came(n.Fence)
		return
	}
	p.feed.Lock()
	worker := p.workerNumber(n.Worker)
	for _, r := range n.Begun {
		p.eachOf(r, func(j *job) { p.begin(j, worker) })
	}
	for _, r := range n.Dropped {
		p.eachOf(r, p.dropped)
	}
	for _, r := range n.Returned {
		p.eachOf(r, p.unbegin)
	}
	p.feed.Unlock()
	p.queue.Popped()
}

// eachOf calls do with the jobs that a reference names and that are not over. The caller
// holds feed.
func (p *Pool) eachOf(r envelope.Ref, do func(*job)) {
	c := p.chunks[r.Chunk]
	switch {
	case c == nil:
	case r.Index == envelope.Whole:
		for _, j := range c.jobs {
			if j != nil {
				do(j)
			}
		}
	case r.Index < len(c.jobs) && c.jobs[r.Index] != nil:
		do(c.jobs[r.Index])
	}
}

// malformed notes a message that does not decode; it hurts nobody (CL7).
func (p *Pool) malformed(subject string, err error) {
	p.opts.logger().Warn("cluster: a message was ignored", "pool", p.opts.Name, "subject", subject, "err", err)
}

// workerNumber returns the number under which the pool knows a worker. The caller holds
// feed.
func (p *Pool) workerNumber(name string) int {
	n, known := p.workers[name]
	if !known {
		if len(p.workers) >= mostWorkers { // they come and go
			clear(p.workers)
		}
		n = len(p.workers)
		p.workers[name] = n
	}
	return n
}

const mostWorkers = 4096

// begin notes that a worker has begun a job. The caller holds feed.
func (p *Pool) begin(j *job, worker int) {
	if j.begun || j.place != placeSent {
		return
	}
	j.begun = true
	p.count(j, false)
	p.settleQuestion(j)
	if j.task.Started(worker) {
		p.emitTask(inspect.TaskStarted, j.task, worker, nil)
	}
}

// unbegin notes that a worker gives a job back that it had meant to begin. The caller holds
// feed.
func (p *Pool) unbegin(j *job) {
	if j.begun && j.place == placeSent && j.task.Unstart() {
		j.begun = false
		p.count(j, true)
	}
}

// leave takes a job off its chunk. The caller holds feed.
func (p *Pool) leave(j *job) {
	c := j.chunk
	if c == nil {
		return
	}
	if c.jobs[j.index] == j {
		c.jobs[j.index] = nil
		c.left--
	}
	j.chunk = nil
	delete(p.stopping, j)
}

// forget notes that no result of a chunk is missing: all have come, so they are stored, or
// there are none. The caller holds feed.
func (p *Pool) forget(c *chunk, came bool) {
	if p.chunks[c.number] != c {
		return
	}
	delete(p.chunks, c.number)
	p.arrived(c, came && !c.kept)
}

// take takes a result message, or one of some outcomes, whichever way it came. What comes
// again, or was cancelled meanwhile, changes nothing (CL1).
func (p *Pool) take(data []byte, with *receiver) {
	r := &with.result
	if err := envelope.ParseResult(data, r); err != nil {
		p.malformed("of a result", err)
		return
	}
	with.batch = with.batch[:0]
	p.feed.Lock()
	c := p.chunks[r.Chunk]
	if c == nil || r.Split || r.Claim {
		if c != nil && r.Split {
			c.split = true
		}
		p.feed.Unlock()
		return
	}
	worker := p.workerNumber(r.Worker)
	for i := range r.Items {
		o := &r.Items[i]
		if o.Index >= len(c.jobs) {
			continue
		}
		j := c.jobs[o.Index]
		if j == nil || j.place != placeSent {
			continue
		}
		if o.Kind == envelope.Cancelled && o.Attempts == 0 && p.questions[j] != nil {
			p.pull(j) // it was dropped, and the result was faster than the answer
			continue
		}
		p.begin(j, worker)
		j.place = placeOver
		p.wasStored(j)
		p.leave(j)
		with.batch = append(with.batch, arrival{j, o})
	}
	if c.left == 0 && !r.Partial {
		p.forget(c, true)
	}
	p.feed.Unlock()
	for _, a := range with.batch {
		p.deliver(a.job, a.outcome)
	}
	clear(with.batch)
	p.queue.Popped()
}

// deliver finishes a job with what its worker said. Where code of users runs, that is in a
// goroutine of its own: it may block, or end the goroutine.
func (p *Pool) deliver(j *job, o *envelope.Outcome) {
	j.fn.ran(o.RunNanos)
	if o.Kind == envelope.Cancelled && j.told {
		j.task.Cancel() // whoever cancels it has told its worker, and may not have told the task yet
	}
	if o.Attempts > 1 {
		j.fn.counts.Retried(o.Attempts - 1)
	}
	if o.Blob.Name == "" && !j.fn.userCode && !j.retries {
		p.finish(j, j.decode(o))
		return
	}
	copied := *o
	copied.Payload = slices.Clone(o.Payload)
	go p.finishSlow(j, &copied)
}

func (p *Pool) finishSlow(j *job, o *envelope.Outcome) {
	decoded := false
	defer func() {
		if !decoded {
			p.finish(j, fmt.Errorf("cluster: value of %s: its decoding has ended the goroutine", j.fn.name))
		}
	}()
	var err error
	if o.Blob.Name != "" {
		if o.Payload, err = p.fetchBlob(o.Blob, j.kept); err != nil {
			err = fmt.Errorf("cluster: value of %s: %w", j.fn.name, err)
		}
	}
	if err == nil {
		err = j.decode(o)
	}
	decoded = true
	p.finish(j, err)
}

// decode puts a worker's answer into the task, or returns the error that it means.
func (j *job) decode(o *envelope.Outcome) error {
	return decodeOutcome(o, j.task.Output(), j.task, j.fn.name)
}

// decodeOutcome puts a value into what into points to, or returns the error that an outcome
// means for a task.
func decodeOutcome(o *envelope.Outcome, into any, t *futures.Task, function string) error {
	switch o.Kind {
	case envelope.Value:
		if err := codec.Decode(o.Payload, into); err != nil {
			return fmt.Errorf("cluster: value of %s: %w", function, err)
		}
		return nil
	case envelope.Cancelled:
		return fmt.Errorf("%w: %w", futures.ErrCancelled, codec.DecodeError(o.Payload))
	case envelope.Crash:
		return envelope.ParseCrash(o.Payload)
	case envelope.Lost:
		// Those that the client made itself, and those that were lost of the last one.
		attempt := max(0, t.Attempt()-1) + o.Attempts
		return &futures.CrashError{ExitCode: -1, Task: function, Attempt: attempt, Cause: codec.DecodeError(o.Payload)}
	default:
		return remote.Error(o.Kind, o.Payload, t, "cluster")
	}
}

// finish resolves a job with what its worker said or with err, or has it run again if that is
// decided here. The job is the caller's: placeOver. It does not run callbacks, which may block.
func (p *Pool) finish(j *job, err error) {
	if !j.retries {
		j.task.Conclude(err)
		p.settleOutcome(j)
		return
	}
	again := false
	defer func() { // also if the user's retry policy ends the goroutine
		if !again {
			p.settleOutcome(j)
		}
	}()
	var delay time.Duration
	delay, again = j.task.Return(err)
	if again {
		j.fn.counts.Retried(1)
		p.emitTask(inspect.TaskRetried, j.task, -1, j.task.AttemptErr())
		p.delay(j, delay)
	}
}

// settleOutcome publishes the outcome of a job.
func (p *Pool) settleOutcome(j *job) {
	j.fn.counts.Done(j.task.Outcome())
	callbacks := j.task.Publish()
	if err := j.task.Err(); err != nil {
		p.emitTask(inspect.TaskDone, j.task, j.task.Worker(), err)
		p.unobserved.Note(j.task)
	} else {
		p.emitTask(inspect.TaskDone, j.task, j.task.Worker(), nil)
	}
	j.settled()
	if callbacks {
		go j.task.Callbacks()
	}
}

// refuse fails a job that was not stored.
func (p *Pool) refuse(j *job, err error) {
	if j.task.Refuse(err) {
		p.unobserved.Note(j.task)
		j.settled()
	}
}

// errAllCancelled ends a chunk of which nothing is to be sent any more.
var errAllCancelled = errors.New("cancelled")

// sendError returns what a task fails with that the server did not store.
func sendError(j *job, err error) error {
	switch {
	case stream.IsFull(err):
		return fmt.Errorf("cluster: %s: %w: %w", j.fn.name, futures.ErrQueueFull, err)
	case errors.Is(err, stream.ErrClosed):
		return fmt.Errorf("cluster: %s: %w: %w", j.fn.name, futures.ErrClosed, err)
	}
	return fmt.Errorf("cluster: %s is not stored: %w", j.fn.name, err)
}

// lookUp asks for the results of chunks that may have come while nobody listened.
func (p *Pool) lookUp(chunks []*chunk) {
	now := time.Since(p.began)
	names := p.conn.Names
	for _, c := range chunks {
		p.feed.Lock()
		c.looked = now
		number, epoch, split := c.number, c.epoch.name(), c.split
		var indexes []int
		for i, j := range c.jobs {
			if j != nil {
				indexes = append(indexes, i)
			}
		}
		p.feed.Unlock()
		ask := func(index int) {
			p.errands.do(func(done func()) {
				p.conn.Last(names.Results(), names.Result(p.client, epoch, number, index), func(s stream.Stored, err error) {
					if err == nil {
						p.take(s.Data, new(receiver))
					}
					done()
				})
			})
		}
		if ask(envelope.Whole); split {
			for _, i := range indexes {
				ask(i)
			}
		}
	}
}

// outdated returns chunks that were sent and not looked up for a while, at most so many: those
// that were looked up longest ago.
func (p *Pool) outdated(most int, age time.Duration) []*chunk {
	now := time.Since(p.began)
	p.feed.Lock()
	defer p.feed.Unlock()
	var all []*chunk
	for _, c := range p.chunks {
		if c.stored && !time.Now().Before(c.due) && now-max(c.sent, c.looked) >= age {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *chunk) int { return int(max(a.sent, a.looked) - max(b.sent, b.looked)) })
	return all[:min(most, len(all))]
}

// gap is called when messages may have been lost, as after a reconnection.
func (p *Pool) gap() { p.lookUp(p.outdated(math.MaxInt, 0)) }

// fence returns when all notices have been taken that the server had before it was called,
// or after fenceWait.
func (p *Pool) fence() {
	ctx, cancel := context.WithTimeout(context.Background(), fenceWait)
	defer cancel()
	id, came := p.fences.next()
	data := envelope.AppendNotice(nil, &envelope.Notice{Fence: id})
	if p.conn.NC.Publish(p.conn.Names.Notice(p.client), data) == nil {
		select {
		case <-came:
			return
		case <-ctx.Done():
		}
	}
	p.fences.came(id)
}

const fenceWait = time.Second
