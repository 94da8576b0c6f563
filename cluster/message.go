package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/envelope"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/codec"
)

// message is a task message that the worker has: from its delivery until it is answered.
// It is used again, with its memory, for another one.
type message struct {
	worker *worker

	// Of who has the message (W2); readable under worker.mu while it is in worker.messages.
	from   *stream.Message
	again  []*stream.Message // the same once more; guarded by worker.mu
	source *source
	id     messageID
	task   envelope.Task
	items  []*item // of the task's items, in their order
	short  bool    // all of them are known to be
	cost   int64   // estimate for all of them, in ns

	// left counts the items that are not done, and who starts them until all are
	// started. Whoever makes it zero goes on.
	left     atomic.Int32
	stopping atomic.Uint32 // why items that are not begun are not to be: the highest reason given

	given    int64              // when its items were given to the executor, on the worker's clock
	outcomes []envelope.Outcome // of the items; each is its item's until that has ended
	result   []byte             // what is published
	stored   func(uint64, error)

	// Guarded by worker.mu.
	phase   phase
	arrived int64 // on the worker's clock
	began   int64 // when it was given a slot
	leased  int64 // when the lease was last extended
	slot    bool  // it has one
	told    bool  // the client knows that all of it has begun
	asleep  bool  // counted in slots.waiting
	retryAt int64 // when its result is to be published again; 0 if that is not needed
}

// phase is what happens with a message.
type phase uint8

const (
	phaseHeld     phase = iota // waits for a slot
	phaseStarted               // its items are on the executor, or on their way there
	phaseSettling              // is settled otherwise than by running it
	phaseStoring               // its result is on its way
)

// Why items are not to be begun, or to end.
const (
	stopNot       = iota
	stopCancelled // the client said so
	stopDrained   // the worker ends: what has no outcome is given back
	stopAbandoned // the worker ends, and did not wait: outcomes come too late
)

// item is a task in a message. Its place is used again together with the message.
type item struct {
	message *message
	n       int // its place in the message
	fn      *function

	task    atomic.Pointer[futures.Task] // once it was given to the executor
	stop    atomic.Uint32                // as message.stopping, for this one
	gate    atomic.Uint32                // whether it begins is decided once: see pass and shut
	ended   atomic.Bool                  // its outcome is there
	release context.CancelFunc           // of its deadline; nil without
	bad     bool                         // its argument does not decode; the starter's
	back    bool                         // it has no outcome and is to be queued again; valid once it has ended
	why     string                       // of back
	told    bool                         // the client knows that it has begun; guarded by worker.mu
	shown   bool                         // the client has its outcome, and waits for the message's; guarded by worker.mu
	payload []byte                       // memory of the outcome

	argument []byte // if it was in the object store

	fill func(in any) error  // it.decode
	done func(*futures.Task) // it.resolved
}

const (
	gateOpen   = iota
	gatePassed // it was given to the executor, or is about to be
	gateShut   // it never will be
)

// pass is called before the item is given to the executor. If it reports false, that must
// not be.
func (it *item) pass() bool { return it.gate.CompareAndSwap(gateOpen, gatePassed) }

// shut makes sure that the item is never given to the executor, or reports false if it was.
func (it *item) shut() bool {
	return it.gate.CompareAndSwap(gateOpen, gateShut) || it.gate.Load() == gateShut
}

// keptPayload bounds the memory for an outcome that is kept for the next.
const keptPayload = 4 << 10

func newMessage(w *worker) *message {
	m := &message{worker: w}
	m.stored = m.resultStored
	return m
}

// reset forgets everything but memory. The caller holds worker.mu.
func (m *message) reset() {
	for _, it := range m.items {
		it.task.Store(nil)
		it.stop.Store(stopNot)
		it.gate.Store(gateOpen)
		it.ended.Store(false)
		it.fn, it.release, it.bad, it.back, it.why, it.told, it.shown = nil, nil, false, false, "", false, false
		if cap(it.payload) > keptPayload {
			it.payload = nil
		}
	}
	clear(m.outcomes)
	if cap(m.result) > 64*keptPayload {
		m.result = nil
	}
	m.from, m.again, m.source, m.id = nil, nil, nil, messageID{}
	m.short, m.cost, m.told, m.asleep, m.retryAt = false, 0, false, false, 0
	m.stopping.Store(stopNot)
}

// parse takes the message apart. The subject and the envelope must agree, as the result's
// subject is made of one and who asks for it knows the other.
func (m *message) parse() error {
	m.items = m.items[:0]
	w := m.worker
	subject, err := w.names.ParseTask(m.from.Subject)
	if err != nil {
		m.id = messageID{"", m.from.Sequence, -2}
		return err
	}
	m.id = messageID{subject.Client, subject.Chunk, subject.Index}
	if err := envelope.ParseTask(m.from.Data, &m.task); err != nil {
		return err
	}
	if m.task.Client != subject.Client || m.task.Chunk != subject.Chunk || m.task.Index != subject.Index {
		return fmt.Errorf("%w: task: it is of another subject", envelope.ErrMalformed)
	}
	if err := stream.CheckName("epoch", m.task.Epoch); err != nil {
		return fmt.Errorf("%w: task: %w", envelope.ErrMalformed, err)
	}
	n := len(m.task.Items)
	if m.task.Index != envelope.Whole && (n != 1 || m.task.Items[0].Index != m.task.Index) {
		return fmt.Errorf("%w: task: items of one that was split off", envelope.ErrMalformed)
	}
	for len(m.items) < n {
		if len(m.items) < cap(m.items) {
			m.items = m.items[:len(m.items)+1]
			if m.items[len(m.items)-1] != nil {
				continue
			}
			m.items = m.items[:len(m.items)-1]
		}
		it := &item{message: m, n: len(m.items)}
		it.fill, it.done = it.decode, it.resolved
		m.items = append(m.items, it)
	}
	for len(m.outcomes) < n {
		m.outcomes = append(m.outcomes, envelope.Outcome{})
	}
	m.outcomes = m.outcomes[:n]
	return nil
}

// prepare looks up the functions and estimates what the message costs.
func (m *message) prepare() {
	m.short, m.cost = true, 0
	for i, it := range m.items {
		name := m.task.Items[i].Function
		if i > 0 && name == m.task.Items[i-1].Function {
			it.fn = m.items[i-1].fn
		} else {
			it.fn = m.worker.functions.of(name)
		}
		average := it.fn.average.Load()
		m.cost += average
		if it.fn.def != nil && (average == 0 || average > int64(shortItem)) {
			m.short = false
		}
		if m.task.Items[i].Blob.Name != "" {
			m.short = false
		}
	}
	if m.cost > int64(shortAhead) {
		m.short = false
	}
}

// single reports whether the message is one task that the client must know to have begun
// before it does.
func (m *message) single() bool { return len(m.items) == 1 && !m.short }

// run gives the items to the executor. It is called by who has the message.
func (m *message) run() {
	m.left.Store(int32(len(m.items)) + 1)
	m.given = m.worker.now() // not when it got its slot: its client may have been told in between
	for _, it := range m.items {
		if it.fn.userCode || len(m.task.Items[it.n].Context) > 0 || m.task.Items[it.n].Blob.Name != "" {
			m.worker.helpers.Go(func() { m.runFrom(0) }) // decoding may take long, or end the goroutine
			return
		}
	}
	m.runFrom(0)
}

func (m *message) runFrom(i int) {
	began := false
	defer func() {
		if !began { // user code that decodes has ended the goroutine
			m.items[i].refuse(errors.New("the decoding of its argument has ended the goroutine"))
			m.worker.helpers.Go(func() { m.runFrom(i + 1) })
		}
	}()
	for ; i < len(m.items); i++ {
		m.items[i].start()
	}
	began = true
	m.countDown()
}

// start gives an item to the executor, or ends it at once.
func (it *item) start() {
	m := it.message
	w := m.worker
	spec := &m.task.Items[it.n]
	if it.reason() != stopNot || w.cancels.have(m.task.Client, m.refOf(it.n)) {
		it.shut()
		it.stopped()
		return
	}
	if it.fn.err != nil {
		it.refuse(fmt.Errorf("function %q: %w", spec.Function, it.fn.err))
		return
	}
	if err := it.fetch(); err != nil {
		it.refuse(fmt.Errorf("argument of %s: %w", spec.Function, err))
		return
	}
	ctx, err := codec.DecodeContext(w.tasks, spec.Context)
	if err != nil {
		it.refuse(fmt.Errorf("context of %s: %w", spec.Function, err))
		return
	}
	if spec.Deadline > 0 {
		ctx, it.release = context.WithDeadline(ctx, time.Unix(0, spec.Deadline))
	}
	if !it.pass() {
		it.stopped()
		return
	}
	t := it.fn.def.Submit(ctx, w.executor, it.fill, it.done, options(spec)...)
	it.task.Store(t)
	if it.reason() != stopNot {
		t.Cancel()
	}
}

// options returns what the task's options say that the worker heeds.
func options(spec *envelope.Item) (opts []futures.Option) {
	if spec.Timeout > 0 {
		opts = append(opts, futures.Timeout(time.Duration(spec.Timeout)))
	}
	if r := spec.Retry; r.Set && r.Max > 0 {
		opts = append(opts, futures.Retry(futures.RetryPolicy{
			Max: r.Max, Backoff: time.Duration(r.Backoff), MaxBackoff: time.Duration(r.MaxBackoff),
			Multiplier: r.Multiplier, Jitter: r.Jitter,
		}))
	}
	for _, l := range spec.Labels {
		opts = append(opts, futures.Label(l.Key, l.Value))
	}
	return opts
}

// decode is the fill of the item's task.
func (it *item) decode(in any) error {
	spec := &it.message.task.Items[it.n]
	argument := spec.Argument
	if it.argument != nil {
		argument, it.argument = it.argument, nil
	}
	if err := codec.Decode(argument, in); err != nil {
		it.bad = true
		return fmt.Errorf("argument of %s: %w", spec.Function, err)
	}
	return nil
}

// reason returns why the item was told to stop.
func (it *item) reason() uint32 { return max(it.stop.Load(), it.message.stopping.Load()) }

// countDown is called for each item that is done, and by who has started them all.
func (m *message) countDown() {
	if m.left.Add(-1) == 0 {
		m.worker.finish(m)
	}
}
