package cluster

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
)

// cancelsKept is how long a worker remembers what it was told to cancel: a task that is on
// its way when the client says so must not begin.
const cancelsKept = time.Minute

// cancels are the items that clients have told all workers not to begin.
type cancels struct {
	count atomic.Int64 // of items and clients, so that who starts one need not lock

	mu      sync.Mutex
	items   map[cancelled]time.Time // until when each is remembered
	clients map[string]time.Time    // all of whose items are cancelled
}

type cancelled struct {
	client string
	envelope.Ref
}

// add remembers what a client has said.
func (c *cancels) add(r *envelope.Refs, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items == nil {
		c.items, c.clients = make(map[cancelled]time.Time), make(map[string]time.Time)
	}
	until := now.Add(cancelsKept)
	if r.All {
		c.clients[r.Client] = until
	}
	for _, ref := range r.Refs {
		c.items[cancelled{r.Client, ref}] = until
	}
	c.count.Store(int64(len(c.items) + len(c.clients)))
}

// have reports whether an item is among them.
func (c *cancels) have(client string, ref envelope.Ref) bool {
	if c.count.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, item := c.items[cancelled{client, ref}]
	_, chunk := c.items[cancelled{client, envelope.Ref{Chunk: ref.Chunk, Index: envelope.Whole}}]
	_, all := c.clients[client]
	return item || chunk || all
}

// prune forgets what was said long ago.
func (c *cancels) prune(now time.Time) {
	if c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, until := range c.items {
		if now.After(until) {
			delete(c.items, k)
		}
	}
	for k, until := range c.clients {
		if now.After(until) {
			delete(c.clients, k)
		}
	}
	c.count.Store(int64(len(c.items) + len(c.clients)))
}

// listen subscribes to what clients tell and ask all workers.
func (w *worker) listen() error {
	var err error
	if w.hears, err = w.conn.Subscribe(w.names.Cancel(), w.cancelled); err != nil {
		return err
	}
	w.has, err = w.conn.Subscribe(w.names.Have(), w.asked)
	return err
}

// cancelled is called with what is to be cancelled.
func (w *worker) cancelled(from *nats.Msg) {
	var r envelope.Refs
	if err := envelope.ParseCancel(from.Data, &r); err != nil {
		w.log.Warn("cluster: a cancel that does not decode", "worker", w.opts.Name, "err", err)
		w.heard.Add(1)
		return
	}
	w.cancels.add(&r, time.Now())
	if n := w.cancelItems(&r); len(n.Begun)+len(n.Dropped) > 0 {
		_ = w.notify(r.Client, n)
	}
	w.heard.Add(1)
}

// cancelItems stops what this worker has of the items, and returns what the client is to be
// told: which of them have begun, and which have not and never will.
func (w *worker) cancelItems(r *envelope.Refs) *envelope.Notice {
	type given struct {
		ref  envelope.Ref
		task *futures.Task
	}
	var all []given
	n := &envelope.Notice{Worker: w.id}
	w.mu.Lock()
	w.find(r, func(m *message, it *item) {
		it.stop.CompareAndSwap(stopNot, stopCancelled)
		switch t := it.task.Load(); {
		case it.shut():
			n.Dropped = append(n.Dropped, m.refOf(it.n))
		case t == nil || it.ended.Load(): // who is giving it to the executor looks at stop afterwards
			n.Begun = append(n.Begun, m.refOf(it.n))
		default:
			all = append(all, given{m.refOf(it.n), t})
		}
	})
	w.mu.Unlock()
	for _, g := range all {
		if g.task.Cancel() && g.task.Attempt() == 0 {
			n.Dropped = append(n.Dropped, g.ref)
		} else {
			n.Begun = append(n.Begun, g.ref)
		}
	}
	return n
}

// hearCancels returns when the cancels have been dealt with that the server sent before
// what this worker is about to begin.
func (w *worker) hearCancels() {
	heard := w.heard.Load()
	target := int64(-1)
	for {
		pending, _, err := w.hears.Pending() // one counts until it has been dealt with
		if pending <= 0 || err != nil {
			return
		}
		if target < 0 {
			target = heard + int64(pending)
		}
		if w.heard.Load() >= target {
			return
		}
		runtime.Gosched()
	}
}

// find calls do for each of the items that this worker has. The caller holds w.mu.
func (w *worker) find(r *envelope.Refs, do func(m *message, it *item)) {
	if r.All {
		for _, m := range w.running {
			if m.id.client == r.Client {
				for _, it := range m.items {
					do(m, it)
				}
			}
		}
		return
	}
	for _, ref := range r.Refs {
		if m := w.running[messageID{r.Client, ref.Chunk, envelope.Whole}]; m != nil {
			for i, it := range m.items {
				if ref.Index == envelope.Whole || ref.Index == m.task.Items[i].Index {
					do(m, it)
				}
			}
			continue
		}
		if m := w.running[messageID{r.Client, ref.Chunk, ref.Index}]; m != nil && ref.Index != envelope.Whole {
			for _, it := range m.items {
				do(m, it)
			}
		}
	}
}

// asked answers a client that looks for a task, if this worker has it.
func (w *worker) asked(from *nats.Msg) {
	var r envelope.Refs
	if from.Reply == "" || envelope.ParseHave(from.Data, &r) != nil {
		return
	}
	n := envelope.Notice{Worker: w.id}
	w.mu.Lock()
	w.find(&r, func(m *message, it *item) { n.Begun = append(n.Begun, m.refOf(it.n)) })
	w.mu.Unlock()
	if len(n.Begun) > 0 {
		_ = from.Respond(envelope.AppendNotice(nil, &n))
	}
}
