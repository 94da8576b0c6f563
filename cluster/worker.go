package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/gopool"
)

// worker takes task messages from queues, runs their items on an executor, and stores
// the results. It is made by newWorker and ends with drain.
//
// W1: a message is answered once: after its result, or what stands for it, is stored, or after
// all that it asks for is in the queue again.
//
// W2: who has a message is one of: the puller's callback, the starter, the executor with
// its callbacks, or a goroutine that settles it otherwise. Items are counted down by message.left,
// and whoever takes the last one goes on with it.
//
// Lock order: worker.mu before nothing. It is not held while the connection, the
// executor, or code of users is called.
type worker struct {
	opts    workerOptions // immutable
	conn    *stream.Conn
	names   stream.Names
	log     *slog.Logger
	id      string // unique
	since   time.Time
	base    context.Context // of what is asked of the server
	tasks   context.Context // of tasks
	stop    func()          // ends tasks; called by stopTasks, and by end
	publish *stream.Publisher

	executor  futures.Executor
	own       *gopool.Pool // the executor, if it was made here
	functions functions
	cancels   cancels
	clocks    clocks

	starter starter
	wake    chan struct{} // capacity 1: there is something to watch
	news    chan struct{} // capacity 1: there is something to announce
	quit    chan struct{} // closed by drain: nothing is left to watch
	broken  chan struct{} // closed once, by fail
	helpers sync.WaitGroup

	hears, has  *nats.Subscription // of cancels, and of questions who has a task
	asksNothing time.Time          // since when; drain's
	abandoned   bool               // tasks that do not end were left behind; drain's

	heard  atomic.Int64  // cancels that were dealt with
	claims atomic.Uint64 // that were made

	mu       sync.Mutex // guards what follows
	slots    slots
	sources  [stream.Levels][]*source
	turn     int // the queue that comes first
	polling  bool
	pauses   time.Time                 // nothing is asked for before
	messages map[*message]struct{}     // all that there are
	running  map[messageID]*message    // those of them that will have an outcome here
	held     [stream.Levels][]*message // that came when there was no slot for them
	spare    []*message
	draining bool
	idle     chan struct{} // closed when messages is empty, if somebody waits
	reason   error
	done     uint64 // items
}

// workerOptions are those of Serve, checked and with the defaults in.
type workerOptions struct {
	Queues   []string
	Slots    int
	Executor futures.Executor // nil: a gopool of its own
	Lease    time.Duration
	Hold     time.Duration // a message waits so long for a slot before it goes back
	Obey     time.Duration // what was told to stop may take so long, and is left behind then
	Name     string
	Logger   *slog.Logger
	Pool     gopool.Options // of its own executor
}

// messageID names a message that this worker has: a whole chunk, or one item.
type messageID struct {
	client string
	chunk  uint64
	index  int
}

// newWorker starts a worker on a connection, whose streams and consumers exist. The
// connection stays the caller's.
func newWorker(conn *stream.Conn, opts workerOptions) (*worker, error) {
	w := &worker{
		opts:     opts,
		conn:     conn,
		names:    conn.Names,
		log:      opts.Logger,
		id:       nuid.Next(),
		since:    time.Now(),
		base:     context.Background(),
		tasks:    context.Background(),
		stop:     func() {},
		executor: opts.Executor,
		wake:     make(chan struct{}, 1),
		news:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		broken:   make(chan struct{}),
		messages: make(map[*message]struct{}),
		running:  make(map[messageID]*message),
	}
	w.slots.limit = opts.Slots
	if w.executor == nil {
		w.own = gopool.New(opts.Pool)
		w.executor = w.own
	} else {
		// It may let Submit wait for room, which must have an end. That costs, and the own one
		// always has room.
		w.tasks, w.stop = context.WithCancel(w.tasks)
	}
	if err := w.begin(); err != nil {
		_ = w.end() // only the first error says what is wrong
		return nil, err
	}
	return w, nil
}

func (w *worker) begin() (err error) {
	if w.publish, err = w.conn.NewPublisher(); err != nil {
		return err
	}
	if err := w.listen(); err != nil {
		return err
	}
	for level := range w.sources {
		for _, queue := range w.opts.Queues {
			s, err := w.newSource(queue, level)
			if err != nil {
				return err
			}
			w.sources[level] = append(w.sources[level], s)
		}
	}
	w.starter.init(w)
	w.conn.OnGap(func() { w.extend(nil) })
	w.helpers.Go(w.watch)
	w.helpers.Go(w.announce)
	w.replan()
	return nil
}

// fail notes that the worker cannot go on: its executor takes nothing any more, or the
// server refuses what it needs. The first reason stays.
func (w *worker) fail(reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reason == nil {
		w.reason = reason
		close(w.broken)
	}
}

// failure returns what fail was given.
func (w *worker) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reason
}

// now is the time on the worker's clock, in ns.
func (w *worker) now() int64 { return int64(time.Since(w.since)) }

// take returns a message to use. The caller holds w.mu.
func (w *worker) take() *message {
	if n := len(w.spare); n > 0 {
		m := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return m
	}
	return newMessage(w)
}

// mostSpare bounds how many messages are kept for use again.
const mostSpare = 64

// accepted is called by a puller's subscription with each message.
func (w *worker) accepted(s *source, from *stream.Message) {
	w.mu.Lock()
	m := w.take()
	w.mu.Unlock()
	m.from, m.source = from, s
	if err := m.parse(); err != nil {
		w.admit(m, func() { w.bury(m, err) })
		return
	}
	if from.Delivered > 1 {
		w.admit(m, func() { w.recover(m) })
		return
	}
	m.prepare()
	w.hearCancels()
	w.admit(m, nil)
}

// admit finds a slot for a message that has come, or keeps it until there is one. What is
// to be settled otherwise than by running it takes a slot too, so that not too many are.
func (w *worker) admit(m *message, settle func()) {
	var o orders
	w.mu.Lock()
	if !m.from.Polled {
		m.source.asked--
	}
	if have := w.running[m.id]; have != nil {
		// The same once more: its lease has ended, or another worker has queued it again. Who
		// has it answers for both.
		have.again = append(have.again, m.from)
		w.plan(&o)
		w.mu.Unlock()
		w.carryOut(&o)
		w.log.Warn("cluster: a message came again that is being worked on", "worker", w.opts.Name, "client", m.id.client, "chunk", m.id.chunk)
		return
	}
	m.arrived, m.leased = w.now(), w.now()
	w.messages[m] = struct{}{}
	w.running[m.id] = m
	switch {
	case settle != nil:
		w.settles(m)
		m.short, m.cost = false, 0
		w.slots.occupy(m)
	case w.draining:
		w.settles(m)
		settle = func() { w.handBack(m, "its worker is draining") }
	case w.slots.free() <= 0 || w.ahead(m.source.level):
		m.phase = phaseHeld
		w.held[m.source.level] = append(w.held[m.source.level], m)
	default:
		w.begins(m, &o)
	}
	w.plan(&o)
	w.mu.Unlock()
	w.poke()
	w.carryOut(&o)
	if settle != nil {
		w.helpers.Go(settle)
	}
}

// ahead reports whether a message is held that comes before new ones of a level. The
// caller holds w.mu.
func (w *worker) ahead(level int) bool {
	for _, held := range w.held[:level+1] {
		if len(held) > 0 {
			return true
		}
	}
	return false
}

// begins gives a message a slot. The caller holds w.mu, and has it started.
func (w *worker) begins(m *message, o *orders) {
	m.phase, m.began = phaseStarted, w.now()
	w.slots.occupy(m)
	o.start = append(o.start, m)
}

// settles notes that a message will have no outcome here. If what it asks for is queued again
// and comes back while it is not settled, that is another message. The caller holds w.mu.
func (w *worker) settles(m *message) {
	m.phase = phaseSettling
	if w.running[m.id] == m {
		delete(w.running, m.id)
	}
}

// vacate gives the slot of a message back, if it has one.
func (w *worker) vacate(m *message) {
	var o orders
	w.mu.Lock()
	w.slots.vacate(m)
	w.plan(&o)
	w.mu.Unlock()
	w.carryOut(&o)
}

// settled forgets a message that was answered.
func (w *worker) settled(m *message) {
	w.mu.Lock()
	delete(w.messages, m)
	if w.running[m.id] == m {
		delete(w.running, m.id)
	}
	w.done += uint64(len(m.items))
	if w.idle != nil && len(w.messages) == 0 {
		close(w.idle)
		w.idle = nil
	}
	m.reset()
	if len(w.spare) < mostSpare {
		w.spare = append(w.spare, m)
	}
	w.mu.Unlock()
}

// poke makes the watch look, if it sleeps.
func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// refusedByExecutor tells what an executor that does not take a task means: that it never
// will again, or that it cannot now.
func refusedByExecutor(err error) (over, full bool) {
	return errors.Is(err, futures.ErrBroken) || errors.Is(err, futures.ErrClosed), errors.Is(err, futures.ErrQueueFull)
}

// refOf names an item to its client.
func (m *message) refOf(i int) envelope.Ref {
	return envelope.Ref{Chunk: m.task.Chunk, Index: m.task.Items[i].Index}
}
