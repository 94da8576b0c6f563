package procpool

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/remote"
	"github.com/futures-go/futures/internal/taskring"
)

// job is what the pool knows of a task, and the task's host.
type job struct {
	pool *Pool
	task *futures.Task
	fn   *function

	// What travels: the record of context values, then the argument. It is in small if
	// it fits, else in the block if the pool has shared memory and the task runs at most
	// once, else in memory of its own. Immutable but for the block, whose result
	// overwrites it.
	payload     []byte
	contextSize int
	length      int
	deadline    int64 // of the submitter's context, in ns since 1970; 0 for none
	watched     bool  // that context can end
	items       int   // calls of a batch; 0 for a single call

	// Guarded by Pool.feed.
	place  place
	was    place // before it was withdrawn
	block  arena.Block
	ticket taskring.Ticket // on the ring
	worker *worker         // that has been seen to have it, or was sent it
	adrift bool            // on the ring, and at the last look between two states
	id     uint64          // without a ring: by which frames name this attempt

	ofContext remote.Watched // its place in Pool.contexts

	wantless bool // it does not count in Pool.wanting any more; its resolver's

	mu       sync.Mutex
	over     bool        // resolved: nothing needs to be armed any more
	deadly   *time.Timer // kills the worker, once the context has ended
	overtime *time.Timer // kills the worker after timeout and grace; without a ring

	small [smallPayload]byte
}

// smallPayload is what a job holds itself: enough for numbers, short strings and
// structs of a few fields.
const smallPayload = 64

// place says where a job is. It is changed under Pool.feed.
type place uint8

const (
	placeQueued    place = iota // in the queue, or on its way there
	placeReturned               // taken back from the workers, first in line
	placeDelayed                // before its first attempt, or between two
	placeHanded                 // on the ring, or sent to a worker
	placeWithdrawn              // its canceller's
	placeOver                   // its resolver's
)

// function is what the pool knows of a registered function.
type function struct {
	number   uint32 // on the ring
	name     string
	def      *futures.Definition
	err      error // why no call of it can travel
	userCode bool  // decoding a value calls methods of the user's types
	direct   bool  // decoding a value looks at each byte once
	counts   remote.Counts

	valueSize atomic.Int64 // of the largest value that did not fit inline
}

// newJob encodes a call. Whatever the caller does to the argument afterwards is not
// seen.
func (p *Pool) newJob(ctx context.Context, t *futures.Task) (*job, error) {
	d := t.Definition()
	if d == nil {
		return nil, fmt.Errorf("procpool: %w: a closure cannot run in another process", futures.ErrNotRegistered)
	}
	fn := p.functions.Of(d)
	if fn.err != nil {
		return nil, fn.err
	}
	j := &job{pool: p, task: t, fn: fn}
	b, err := codec.AppendContext(j.small[:0], ctx)
	if err != nil {
		return nil, fmt.Errorf("procpool: context of %s: %w", fn.name, err)
	}
	j.contextSize = len(b)
	j.watched = ctx.Done() != nil
	if deadline, ok := ctx.Deadline(); ok {
		j.deadline = remote.Nanoseconds(deadline)
	}
	in := t.Input()
	if t.Batch() != nil {
		j.items = reflect.ValueOf(in).Elem().Len()
	}
	if hint := codec.SizeHint(in); hint > taskring.Inline && p.arena != nil && !mayRunAgain(t) {
		if b = p.lend(j, b, len(b)+hint); b == nil {
			b = j.small[:j.contextSize]
		}
	}
	if b, err = codec.Append(b, in); err != nil {
		p.takeBlock(j)
		return nil, fmt.Errorf("procpool: argument of %s: %w", fn.name, err)
	}
	if len(b) > maxFrame-taskHeadSize-len(fn.name) {
		p.takeBlock(j)
		return nil, fmt.Errorf("procpool: argument of %s: %d bytes, at most %d", fn.name, len(b), maxFrame-taskHeadSize-len(fn.name))
	}
	j.length = len(b)
	if j.block.Cap == 0 {
		j.payload = b
	} else if len(b) > j.block.Cap {
		p.takeBlock(j) // the hint was too small, so the bytes are elsewhere
		j.payload = b
	}
	return j, nil
}

// mayRunAgain reports whether the argument is needed after an attempt.
func mayRunAgain(t *futures.Task) bool {
	_, retry := t.Retry()
	return retry
}

// lend gives a job a block and returns it with the beginning b of the payload in it, or
// nil.
func (p *Pool) lend(j *job, b []byte, size int) []byte {
	block, ok := p.arena.Alloc(size)
	if !ok {
		return nil
	}
	j.block = block
	return append(p.arena.Bytes(block)[:0:block.Cap], b...)
}

// takeBlock gives a job's block back, if it has one.
func (p *Pool) takeBlock(j *job) {
	if j.block.Cap > 0 {
		p.arena.Free(j.block)
		j.block = arena.Block{}
	}
}

// unwanted notes that no worker is needed for the job any more. That is before its outcome
// can be seen: who has seen it and submits another one needs no worker more.
func (j *job) unwanted() {
	if !j.wantless {
		j.wantless = true
		j.pool.wanting.Add(-1)
	}
}

// settled gives back what an unfinished job holds.
func (j *job) settled() {
	j.unwanted()
	j.mu.Lock()
	j.over = true
	j.disarm()
	j.mu.Unlock()
	if j.watched {
		j.pool.contexts.Remove(&j.ofContext)
	}
	if j.block.Cap > 0 {
		j.pool.takeBlock(j)
	}
	j.payload = nil // who keeps the future does not keep what it was called with
	j.pool.settled()
}

// disarm stops the timers of an attempt. The caller holds j.mu.
func (j *job) disarm() {
	if j.deadly != nil {
		j.deadly.Stop()
		j.deadly = nil
	}
	if j.overtime != nil {
		j.overtime.Stop()
		j.overtime = nil
	}
}

// The job as futures.FetchingHost. A task that waits in its worker keeps the process:
// there is no slot to give back.

func (*job) Block(*futures.Task)   {}
func (*job) Unblock(*futures.Task) {}

// Withdraw implements futures.FetchingHost.
func (j *job) Withdraw(t *futures.Task) bool {
	p := j.pool
	p.feed.Lock()
	defer p.feed.Unlock()
	switch j.place {
	case placeWithdrawn:
		return true
	case placeOver:
		return false // its resolver will say more in a moment
	case placeHanded:
		if !p.transport.withdraw(j) {
			return false
		}
	}
	j.was, j.place = j.place, placeWithdrawn
	return true
}

// Refresh implements futures.FetchingHost.
func (j *job) Refresh(*futures.Task) {
	p := j.pool
	p.feed.Lock()
	defer p.feed.Unlock()
	if j.place == placeHanded {
		p.transport.refresh(j)
	}
}

// Await implements futures.FetchingHost.
func (j *job) Await(t *futures.Task) (soon bool) {
	j.pool.transport.await(t)
	return true
}

// Cancelled implements futures.Host.
func (j *job) Cancelled(t *futures.Task, started bool) {
	p := j.pool
	if started {
		p.stop(j)
		return
	}
	p.feed.Lock()
	was := j.was
	p.feed.Unlock()
	switch was {
	case placeQueued:
		p.queue.Cancelled()
	case placeDelayed:
		p.delays.Forget(j)
	case placeReturned, placeHanded:
		p.queue.Popped() // there is room again
	}
	j.settled()
}
