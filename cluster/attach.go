package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// ErrUnknownTask is the error of an id of which nothing is known: it was never given, or its
// result is not kept any more.
var ErrUnknownTask = errors.New("cluster: unknown task")

// ID returns the id under which Attach finds a task of this pool, also in other programs and
// after this one has ended. It waits until the task is stored, and has its result kept for
// Options.ResultTTL. The error is that ctx has ended, a *futures.WaitError, or that the task is
// done, failed to be stored, or is none of this pool: ErrUnknownTask. So ask before the task can be
// done: right after Submit.
//
// A task that this program runs again, because its RetryPolicy has an If, has another id for
// each attempt.
func (p *Pool) ID(ctx context.Context, h futures.Handle) (string, error) {
	j, ours := futures.TaskOf(h).Host().(*job)
	if !ours || j.pool != p {
		return "", fmt.Errorf("cluster.ID: %w: it was not submitted to this pool", ErrUnknownTask)
	}
	for {
		p.feed.Lock()
		if j.place == placeOver || j.place == placeWithdrawn {
			p.feed.Unlock()
			return "", fmt.Errorf("cluster.ID: %w: it is done", ErrUnknownTask)
		}
		j.kept = true
		if c := j.chunk; c != nil {
			p.keep(c)
			if c.stored {
				id := envelope.ID{Client: p.client, Epoch: c.epoch.name(), Chunk: c.number, Index: int(j.index)}
				p.feed.Unlock()
				return id.String(), nil
			}
		}
		stored := p.whenStored(j)
		p.feed.Unlock()
		select {
		case <-stored:
		case <-ctx.Done():
			return "", &futures.WaitError{Cause: context.Cause(ctx), Unfinished: 1, Total: 1}
		}
	}
}

// Attach returns the future of a task by the id that Pool.ID gave, in this program or in
// another one of the same namespace. T is the type of the function's value. The error is ErrUnknownTask, or
// says why the server could not be asked; ctx bounds that only.
//
// The future does not count as a task of the pool: when that is closed it fails with
// futures.ErrClosed, and the task goes on. Cancel cancels the task, as far as its worker can
// be reached.
func Attach[T any](ctx context.Context, p *Pool, id string) (*futures.Future[T], error) {
	parsed, err := envelope.ParseID(id)
	if err != nil {
		return nil, fmt.Errorf("cluster.Attach: %w: %w", ErrUnknownTask, err)
	}
	promise := futures.NewPromise[T]()
	f := promise.Future()
	a := &attachment{pool: p, id: parsed, found: make(chan struct{})}
	a.resolve = func(o *envelope.Outcome, err error) {
		var value T
		if err == nil {
			err = decodeOutcome(o, &value, futures.TaskOf(f), id)
		}
		_ = promise.Resolve(value, err) // it may have been cancelled
	}
	if err := a.begin(ctx); err != nil {
		a.end()
		return nil, fmt.Errorf("cluster.Attach: %s: %w", id, err)
	}
	f.OnDone(func(f *futures.Future[T]) {
		if f.State() == futures.Cancelled {
			p.tell(&envelope.Refs{Client: parsed.Client, Refs: []envelope.Ref{{Chunk: parsed.Chunk, Index: parsed.Index}}})
		}
		a.end()
	})
	return f, nil
}

// attachment waits for the result of a task that may be another pool's.
type attachment struct {
	pool    *Pool
	id      envelope.ID
	resolve func(o *envelope.Outcome, err error) // called once
	once    sync.Once                            // of resolve
	found   chan struct{}                        // closed when resolve is called

	mu            sync.Mutex // guards what follows
	subscriptions []*nats.Subscription
}

// begin finds the result, or makes sure that it will come.
func (a *attachment) begin(ctx context.Context) error {
	if err := a.pool.attached.add(a); err != nil {
		return err
	}
	for _, subject := range a.subjects() {
		s, err := a.pool.conn.Subscribe(subject, func(m *nats.Msg) { a.came(m.Data) })
		if err != nil {
			return err
		}
		a.mu.Lock()
		a.subscriptions = append(a.subscriptions, s)
		a.mu.Unlock()
	}
	if err := a.pool.conn.Fence(ctx); err != nil {
		return err
	}
	rounds := 1
	if a.pool.conn.Clustered() {
		rounds = 3 // a replica answers what it knows, and may be a moment behind
	}
	for range rounds {
		// The task may move on between two questions, but only towards its result.
		for _, known := range []func(context.Context) (bool, error){a.done, a.queued, a.held, a.done} {
			if known, err := known(ctx); known || err != nil {
				return err
			}
		}
	}
	return ErrUnknownTask
}

// subjects are those that the result may have: that of the whole chunk, and the task's own
// after the chunk was split.
func (a *attachment) subjects() []string {
	names, id := a.pool.conn.Names, a.id
	return []string{
		names.Result(id.Client, id.Epoch, id.Chunk, envelope.Whole),
		names.Result(id.Client, id.Epoch, id.Chunk, id.Index),
	}
}

// came takes a result message.
func (a *attachment) came(data []byte) {
	var r envelope.Result
	if err := envelope.ParseResult(data, &r); err != nil {
		a.pool.malformed("of a result", err)
		return
	}
	for i := range r.Items {
		o := &r.Items[i]
		if r.Chunk != a.id.Chunk || o.Index != a.id.Index {
			continue
		}
		a.once.Do(func() {
			close(a.found)
			go a.finish(o) // the value's methods may run, or it may be in the object store
		})
	}
}

func (a *attachment) finish(o *envelope.Outcome) {
	var err error
	if o.Blob.Name != "" {
		o.Payload, err = a.pool.fetchBlob(o.Blob, true)
	}
	a.resolve(o, err)
}

// done looks whether the result is stored, and takes it.
func (a *attachment) done(ctx context.Context) (bool, error) {
	for _, subject := range a.subjects() {
		s, err := a.pool.conn.GetLast(ctx, a.pool.conn.Names.Results(), subject)
		if err == nil {
			a.came(s.Data)
		} else if !errors.Is(err, stream.ErrNotFound) {
			return false, err
		}
		select {
		case <-a.found:
			return true, nil
		default:
		}
	}
	return false, nil
}

// queued looks whether the task is stored, in whatever queue.
func (a *attachment) queued(ctx context.Context) (bool, error) {
	names, id := a.pool.conn.Names, a.id
	if _, err := a.pool.conn.GetLast(ctx, names.Later(), names.At(id.Client, id.Chunk)); err == nil {
		return true, nil
	} else if !errors.Is(err, stream.ErrNotFound) {
		return false, err
	}
	for _, index := range []int{envelope.Whole, id.Index} {
		if _, err := a.pool.conn.GetNext(ctx, names.Tasks(), names.AnyTask(id.Client, id.Chunk, index), 1); err == nil {
			return true, nil
		} else if !errors.Is(err, stream.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}

// heldWait is how long workers may take to say that they have a task.
const heldWait = time.Second

// held asks the workers whether one of them has the task.
func (a *attachment) held(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, heldWait)
	defer cancel()
	refs := envelope.Refs{Client: a.id.Client, Refs: []envelope.Ref{{Chunk: a.id.Chunk, Index: a.id.Index}}}
	_, err := a.pool.conn.NC.RequestWithContext(ctx, a.pool.conn.Names.Have(), envelope.AppendHave(nil, &refs))
	return err == nil, nil // that nobody says so means that nobody has it
}

// lookUp asks for the result again.
func (a *attachment) lookUp() {
	for _, subject := range a.subjects() {
		a.pool.errands.do(func(done func()) {
			a.pool.conn.Last(a.pool.conn.Names.Results(), subject, func(s stream.Stored, err error) {
				if err == nil {
					a.came(s.Data)
				}
				done()
			})
		})
	}
}

// end stops listening.
func (a *attachment) end() {
	a.pool.attached.remove(a)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.subscriptions {
		_ = s.Unsubscribe() // of a connection that is closed, perhaps
	}
	a.subscriptions = nil
}

// attachments are those of a pool that have no result.
type attachments struct {
	pool *Pool

	mu     sync.Mutex
	all    map[*attachment]struct{}
	closed bool
}

func (as *attachments) add(a *attachment) error {
	as.mu.Lock()
	if as.closed {
		as.mu.Unlock()
		return futures.ErrClosed
	}
	if as.all == nil {
		as.all = make(map[*attachment]struct{})
	}
	as.all[a] = struct{}{}
	as.mu.Unlock()
	as.pool.keeper.rouse()
	return nil
}

func (as *attachments) remove(a *attachment) {
	as.mu.Lock()
	defer as.mu.Unlock()
	delete(as.all, a)
}

func (as *attachments) len() int {
	as.mu.Lock()
	defer as.mu.Unlock()
	return len(as.all)
}

func (as *attachments) list() []*attachment {
	as.mu.Lock()
	defer as.mu.Unlock()
	return slices.Collect(maps.Keys(as.all))
}

// lookUp asks for all results again, since a message may be lost.
func (as *attachments) lookUp() {
	for _, a := range as.list() {
		a.lookUp()
	}
}

// close fails those that are left.
func (as *attachments) close() {
	as.mu.Lock()
	as.closed = true
	as.mu.Unlock()
	for _, a := range as.list() {
		a.once.Do(func() {
			close(a.found)
			a.resolve(nil, fmt.Errorf("cluster: %s: %w", a.id, futures.ErrClosed))
		})
	}
}
