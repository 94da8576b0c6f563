package cluster

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/remote"
	"github.com/futures-go/futures/internal/taskqueue"
	"github.com/futures-go/futures/internal/unobserved"
)

// Pool is an executor on a cluster. It is made by Connect. All methods may be called from
// any goroutine at any time.
type Pool struct {
	opts      Options // immutable after Connect
	conn      *stream.Conn
	publisher *stream.Publisher
	client    string // unique, part of the subjects of its tasks and results
	began     time.Time
	local     local // the server and workers that Connect has started

	functions remote.Functions[poolFunction]
	contexts  remote.Contexts // of submitters
	queue     *taskqueue.Queue
	delays    remote.Delays[*job]
	fences    fences
	errands   errands
	attached  attachments

	outstanding atomic.Int64 // tasks accepted and not settled; Close waits for them
	waiting     atomic.Int64 // tasks that have left the queue and that no worker is known to have begun

	// feed guards where jobs are, and what follows. The queue's lock may be taken with it.
	feed      sync.Mutex
	popper    taskqueue.Popper
	lanes     [stream.Levels]lane
	chunks    map[uint64]*chunk // those of which results are missing
	lastChunk uint64
	gathered  []*job             // memory of sendShort
	head      envelope.Task      // likewise
	epochs    [epochKinds]*epoch // of tasks that are sent now
	keptAny   bool               // somebody has asked for an id
	fresh     []string           // subjects of results to be removed, since the last tick
	ripe      []string           // likewise, since the one before
	workers   map[string]int
	questions map[*job]*question     // jobs of which it is being found out whether somebody has begun them
	stopping  map[*job]struct{}      // begun, told to stop, and not over
	awaited   map[*job]chan struct{} // closed when the job is stored

	notices receiver // what the notices' subscription uses
	results receiver // what the results' subscription uses

	keeper keeper

	mu     sync.Mutex // guards what follows; taken after feed
	closed bool       // takes no more tasks
	failed error      // what went wrong while closing

	ending     chan struct{} // closed once: the pool is closed and no task is left
	ended      sync.Once     // of ending
	torn       sync.Once     // of tearDown
	done       chan struct{} // closed by tearDown, when nothing is left
	stopAll    atomic.Bool   // Shutdown has begun to cancel: what comes in line from now on is cancelled too
	listener   atomic.Pointer[inspect.Listener]
	unobserved unobserved.Failures
}

// Size returns how many tasks may run at the same time: as many as the workers run that
// Connect has started, or else as this machine has processors, since how many workers there
// are elsewhere changes.
func (p *Pool) Size() int {
	if p.opts.Workers > 0 {
		return p.opts.Workers
	}
	return runtime.GOMAXPROCS(0)
}

// Name returns the pool's name.
func (p *Pool) Name() string { return p.opts.Name }

// Execute implements futures.Executor.
func (p *Pool) Execute(ctx context.Context, t *futures.Task) error {
	j, err := p.newJob(ctx, t)
	if err != nil {
		return err
	}
	t.Accept(j)
	p.outstanding.Add(1)
	p.keeper.rouse()
	p.emitTask(inspect.TaskQueued, t, -1, nil)
	if err := p.admit(ctx, j); err != nil {
		j.settled()
		return err
	}
	if j.watched {
		p.contexts.Add(ctx, t, &j.ofContext)
	}
	if t.Delay() == 0 && !p.lanes[j.level()].holds(j) {
		p.send()
	}
	if p.stopAll.Load() {
		t.Cancel()
	}
	return nil
}

// admit puts a task into the queue, or where it waits until it is to be queued. The queue may
// be full only because it is not known yet what has begun: before it refuses, that is found
// out.
func (p *Pool) admit(ctx context.Context, j *job) error {
	t := j.task
	if wait := t.Delay(); wait > 0 {
		return p.admitLater(j, wait)
	}
	err := p.queue.Push(ctx, t)
	if err == nil || !p.opts.RejectWhenFull || p.queue.Refusal() != nil || ctx.Err() != nil {
		return err
	}
	p.fence()
	return p.queue.Push(ctx, t)
}

// send gets the queued tasks on their way.
func (p *Pool) send() {
	p.feed.Lock()
	p.drain()
	p.feed.Unlock()
}

// Flush waits until no task of the pool is in this program only: all are stored by the server,
// or done. The error is that ctx has ended, as a *futures.WaitError.
func (p *Pool) Flush(ctx context.Context) error {
	for {
		p.feed.Lock()
		stored, total := p.unstored()
		p.feed.Unlock()
		if stored == nil {
			return nil
		}
		select {
		case <-stored:
		case <-ctx.Done():
			return &futures.WaitError{Cause: context.Cause(ctx), Unfinished: total, Total: total}
		}
	}
}

// unstored returns a channel that is closed when one of the jobs that are not stored is, and
// how many there are; nil if there are none. The caller holds feed.
func (p *Pool) unstored() (stored <-chan struct{}, total int) {
	p.drain()
	for i := range p.lanes {
		l := &p.lanes[i]
		total += l.short.len() + l.single.len()
	}
	for _, c := range p.chunks {
		if c.stored {
			continue
		}
		for _, j := range c.jobs {
			if j != nil {
				total++
				stored = p.whenStored(j)
			}
		}
	}
	return stored, total
}

// whenStored returns a channel that is closed when a job is stored, or is over. The caller
// holds feed.
func (p *Pool) whenStored(j *job) <-chan struct{} {
	ch := p.awaited[j]
	if ch == nil {
		ch = make(chan struct{})
		p.awaited[j] = ch
	}
	return ch
}

// wasStored tells those who wait for it that a job is stored, or is over. The caller holds
// feed.
func (p *Pool) wasStored(j *job) {
	if len(p.awaited) == 0 {
		return
	}
	if ch := p.awaited[j]; ch != nil {
		close(ch)
		delete(p.awaited, j)
	}
}
