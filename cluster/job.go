package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/remote"
)

// job is what the pool knows of a task, and the task's host.
type job struct {
	pool      *Pool
	task      *futures.Task
	fn        *poolFunction
	ofContext remote.Watched // its place in Pool.contexts
	blob      string         // of the argument in the object store; immutable

	// Guarded by Pool.feed.
	chunk *chunk  // of which it is part; nil before it is sent
	item  *buffer // what travels; nil once it is in a message, unless it may be sent again
	index int32   // in chunk
	place place
	was   place // before it was withdrawn
	waits bool  // it counts in Pool.waiting
	begun bool  // a worker is known to have begun it
	kept  bool  // somebody has its id
	told  bool  // workers were told to stop it

	watched bool // the submitter's context can end; immutable
	alone   bool // shares no message; immutable
	retries bool // this program decides about another attempt; immutable
}

// place says where a job is. It is changed under Pool.feed.
type place uint8

const (
	placeQueued    place = iota // in the queue, or on its way there
	placeLane                   // out of the queue, in a lane
	placeSent                   // in a message that is stored, or that the server has not answered
	placeDelayed                // before its first attempt, or between two
	placeWithdrawn              // its canceller's
	placeOver                   // its resolver's
)

// The bounds of what travels in one message.
const (
	chunkItems = 256
	chunkBytes = 256 << 10
	chunkWork  = 2 * time.Millisecond // of the function's run times so far
	sharedItem = 16 << 10             // bytes; what is longer has a message of its own
	inlineItem = 256 << 10            // bytes; of what is longer the argument goes to the object store
)

// buffer is memory that is used again.
type buffer struct{ b []byte }

var (
	items    = sync.Pool{New: func() any { return new(buffer) }}
	messages = sync.Pool{New: func() any { return new(buffer) }}
)

func releaseTo(pool *sync.Pool, b *buffer, most int) {
	if b != nil && cap(b.b) <= most {
		pool.Put(b)
	}
}

// newJob encodes a call. Whatever the caller does to the argument afterwards is not seen.
func (p *Pool) newJob(ctx context.Context, t *futures.Task) (*job, error) {
	d := t.Definition()
	if d == nil {
		return nil, fmt.Errorf("cluster: %w: a closure cannot run in another process", futures.ErrNotRegistered)
	}
	fn := p.functions.Of(d)
	if fn.err != nil {
		return nil, fn.err
	}
	j := &job{pool: p, task: t, fn: fn, watched: ctx.Done() != nil}
	it := envelope.Item{Function: fn.name, Submitted: time.Now().UnixNano(), AtMost: 1, Timeout: int64(t.Timeout())}
	if deadline, ok := ctx.Deadline(); ok {
		it.Deadline = remote.Nanoseconds(deadline)
	}
	if policy, set := t.Retry(); set {
		it.AtMost = min(policy.Max, envelope.MaxLost)
		if j.retries = policy.If != nil; !j.retries {
			it.Retry = envelope.Retry{
				Set: true, Max: policy.Max, Backoff: int64(policy.Backoff), MaxBackoff: int64(policy.MaxBackoff),
				Multiplier: policy.Multiplier, Jitter: policy.Jitter,
			}
		}
	}
	if labels := t.Labels(); len(labels) > 0 {
		for _, l := range labels {
			it.Labels = append(it.Labels, envelope.Tag(l))
		}
		if err := it.Check(); err != nil {
			return nil, fmt.Errorf("cluster: %s: %w", fn.name, err)
		}
	}
	j.item = items.Get().(*buffer)
	if err := j.encode(ctx, &it); err != nil {
		releaseTo(&items, j.item, sharedItem)
		return nil, err
	}
	j.alone = it.AtMost == 0 || j.blob != "" || len(j.item.b) > sharedItem
	return j, nil
}

// encode makes the item that travels, and puts an argument that is too long for a message
// into the object store.
func (j *job) encode(ctx context.Context, it *envelope.Item) error {
	b := envelope.BeginItem(j.item.b[:0], it)
	head := len(b)
	b, err := codec.AppendContext(b, ctx)
	if err != nil {
		return fmt.Errorf("cluster: context of %s: %w", j.fn.name, err)
	}
	values := len(b) - head
	if b, err = codec.Append(b, j.task.Input()); err != nil {
		return fmt.Errorf("cluster: argument of %s: %w", j.fn.name, err)
	}
	if limit := j.pool.inline(); len(b) > limit {
		if head+values > limit {
			return fmt.Errorf("cluster: context of %s: %d bytes, at most %d", j.fn.name, values, limit)
		}
		if it.Blob, err = putBlob(ctx, j.pool.conn, b[head+values:]); err != nil {
			return fmt.Errorf("cluster: argument of %s: %w", j.fn.name, err)
		}
		j.blob = it.Blob.Name
		record := b[head : head+values : head+values]
		b = append(envelope.BeginItem(nil, it), record...)
		envelope.EndItem(b, values, 0)
		j.item.b = b
		return nil
	}
	envelope.EndItem(b, values, len(b)-head-values)
	j.item.b = b
	return nil
}

// inline returns how long an item may be.
func (p *Pool) inline() int { return min(inlineItem, int(p.conn.MaxPayload())-inlineSlack) }

// inlineSlack is for what a message has beside the item.
const inlineSlack = 4 << 10

// level returns the lane of the task's priority.
func (j *job) level() int {
	switch priority := j.task.Priority(); {
	case priority > 0:
		return 0
	case priority < 0:
		return 2
	}
	return 1
}

// short reports whether the job may share a message.
func (j *job) short() bool { return !j.alone && j.fn.short() }

// settled gives back what an unfinished job holds.
func (j *job) settled() {
	if j.watched {
		j.pool.contexts.Remove(&j.ofContext)
	}
	if j.item != nil {
		releaseTo(&items, j.item, sharedItem)
		j.item = nil
	}
	if j.blob != "" {
		j.pool.removeBlob(j.blob)
	}
	j.pool.settled()
}

// The job as futures.FetchingHost. A task that waits keeps its worker's slot, or gives it
// back there.

func (*job) Block(*futures.Task)   {}
func (*job) Unblock(*futures.Task) {}

// Await implements futures.FetchingHost: results come by themselves, and not soon.
func (*job) Await(*futures.Task) (soon bool) { return false }

// Refresh implements futures.FetchingHost. What has begun before it is called is known when
// it returns.
func (j *job) Refresh(*futures.Task) {
	p := j.pool
	p.feed.Lock()
	unknown := j.place == placeSent && !j.begun
	p.feed.Unlock()
	if unknown {
		p.fence()
	}
}

// Withdraw implements futures.FetchingHost.
func (j *job) Withdraw(*futures.Task) bool {
	p := j.pool
	p.feed.Lock()
	if j.place == placeSent && !j.begun {
		p.feed.Unlock()
		p.withdraw([]*job{j}, false)
		p.feed.Lock()
	}
	defer p.feed.Unlock()
	switch j.place {
	case placeWithdrawn:
		return true
	case placeOver, placeSent:
		return false // its worker, or its resolver, will say more
	case placeLane:
		p.lanes[j.level()].withdrawn(j)
	}
	j.was, j.place = j.place, placeWithdrawn
	p.wasStored(j)
	return true
}

// Cancelled implements futures.Host.
func (j *job) Cancelled(t *futures.Task, started bool) {
	p := j.pool
	if started {
		p.stop([]*job{j})
		return
	}
	p.feed.Lock()
	was := j.was
	p.count(j, false)
	p.feed.Unlock()
	switch was {
	case placeQueued:
		p.queue.Cancelled()
	case placeDelayed:
		p.delays.Forget(j)
	case placeLane, placeSent:
		p.queue.Popped() // there is room again
	}
	j.settled()
}

// count notes whether a job waits for a worker outside of the queue. The caller holds feed.
func (p *Pool) count(j *job, waits bool) {
	if j.waits == waits {
		return
	}
	j.waits = waits
	if waits {
		p.waiting.Add(1)
	} else {
		p.waiting.Add(-1)
	}
}
