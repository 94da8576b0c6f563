package futures

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// Map calls fn for each input on ex and yields the values in input order, or in
// the order of completion with Unordered. It is lazy: nothing happens before the
// sequence is ranged over, and then it reads at most Window inputs ahead of the
// results taken, so that infinite inputs work. Each range over the sequence
// starts anew.
//
// An item's error is yielded in its place and the sequence goes on. If ctx ends,
// the last thing yielded is a *WaitError. Leaving the loop early, and the end of
// ctx, cancel what has not been yielded and wait for what is running.
//
// For short calls Map passes several inputs to a worker at a time: see Chunk.
// Map panics if ctx, ex, inputs or fn is nil, or if Chunk is combined with
// Timeout, Retry or Delay.
func Map[In, Out any](ctx context.Context, ex LocalExecutor, inputs iter.Seq[In], fn func(context.Context, In) (Out, error), opts ...MapOption) iter.Seq2[Out, error] {
	if fn == nil {
		panic("futures.Map: nil function")
	}
	return newMapping("futures.Map", ctx, ex, inputs, &Func[In, Out]{fn: fn}, opts).all
}

const (
	defaultWindowPerWorker = 4

	// Chunks grow while a chunk takes less than chunkShort to fill and to run,
	// and shrink when it takes more than chunkLong: long enough to make the cost
	// of a task small beside it, short enough to share the work evenly.
	chunkShort = 50 * time.Microsecond
	chunkLong  = 200 * time.Microsecond
	maxChunk   = 4096
)

// mapping is what a Map was asked to do; a walk is one range over it.
type mapping[In, Out any] struct {
	ctx      context.Context
	ex       Executor
	inputs   iter.Seq[In]
	f        *Func[In, Out] // without a name for a closure
	settings mapSettings
	workers  int
	single   bool // each input is a task of its own
	remote   bool // tasks run outside this process
}

func newMapping[In, Out any](caller string, ctx context.Context, ex Executor, inputs iter.Seq[In], f *Func[In, Out], opts []MapOption) *mapping[In, Out] {
	switch {
	case ctx == nil:
		panic(caller + ": nil context")
	case isNil(ex):
		panic(caller + ": nil executor")
	case inputs == nil:
		panic(caller + ": nil inputs")
	}
	m := &mapping[In, Out]{ctx: ctx, ex: ex, inputs: inputs, f: f, workers: 1}
	for _, o := range opts {
		o.forMap(&m.settings)
	}
	if sizer, ok := ex.(Sizer); ok {
		m.workers = max(1, sizer.Size())
	}
	var task settings
	for _, o := range m.settings.task {
		o.forTask(&task)
	}
	_, local := ex.(LocalExecutor)
	batches, _ := ex.(BatchExecutor)
	m.remote = !local
	perCall := task.timeout > 0 || task.retry != nil || task.delay > 0
	m.single = perCall || m.remote && (f.def == nil || batches == nil || !batches.RunsBatches())
	if perCall && m.settings.chunk > 0 {
		panic(caller + ": Chunk cannot be combined with Timeout, Retry or Delay, which are about single calls")
	}
	return m
}

// walk is the state of one range over a Map. All of it belongs to the goroutine
// that ranges, but for what a chunk's task reads.
type walk[In, Out any] struct {
	*mapping[In, Out]
	ctx    context.Context // of the tasks; cancelled when the walk ends
	yield  func(Out, error) bool
	stop   atomic.Bool       // tells running chunks to leave out the rest
	flight []*chunk[In, Out] // submitted and not yet yielded; in input order unless unordered
	spare  []*chunk[In, Out] // for reuse
	next   *chunk[In, Out]   // to be submitted next; while it is being filled its inputs are in fill
	fill   []In
	full   int    // how many make it full
	inbox  *inbox // of the chunks in flight, if unordered
	ahead  int    // inputs submitted and not yet yielded
	size   int    // of the next chunk
	over   bool   // nothing more is to be yielded
}

// chunk is some inputs that travel together, as one task.
type chunk[In, Out any] struct {
	in     []In
	out    []Out
	errs   []error // nil while no item has failed, else as long as in
	ran    int     // items run: the task's, then the walk's
	one    *Future[Out]
	many   *Future[struct{}]
	began  time.Time     // when its first input was read; zero if not timed
	filled time.Duration // from began until it was submitted
	took   time.Duration // to run; the task's, then the walk's
	slot   int           // in the inbox, if unordered
}

func (c *chunk[In, Out]) task() *Task {
	if c.one != nil {
		return &c.one.task
	}
	return &c.many.task
}

// all is the sequence.
func (m *mapping[In, Out]) all(yield func(Out, error) bool) {
	w := &walk[In, Out]{mapping: m, yield: yield, size: 1}
	if !m.single {
		w.size = max(1, m.settings.chunk)
	}
	ctx, cancel := context.WithCancelCause(m.ctx)
	w.ctx = ctx
	if m.settings.unordered {
		w.inbox = newInbox(nil)
	}
	defer func() {
		w.finish()
		cancel(nil)
	}()
	w.open()
	for in := range m.inputs {
		w.fill = append(w.fill, in)
		if len(w.fill) < w.full {
			continue
		}
		w.submit()
		for w.ahead >= w.window() && !w.over {
			w.yieldNext()
		}
		if w.over {
			return
		}
		w.open()
	}
	w.submit()
	for len(w.flight) > 0 && !w.over {
		w.yieldNext()
	}
}

// window returns how many inputs may be ahead of the results.
func (w *walk[In, Out]) window() int {
	if w.settings.window > 0 {
		return w.settings.window
	}
	if w.size > math.MaxInt/defaultWindowPerWorker/w.workers {
		return math.MaxInt
	}
	return defaultWindowPerWorker * w.workers * w.size
}

// adaptive reports whether the size of chunks is the library's to choose.
func (w *walk[In, Out]) adaptive() bool {
	return !w.single && w.settings.chunk == 0 && w.settings.window == 0
}

// open begins a chunk: as large as chunks are now, and as the window allows.
func (w *walk[In, Out]) open() {
	c := new(chunk[In, Out])
	if n := len(w.spare); n > 0 {
		c, w.spare = w.spare[n-1], w.spare[:n-1]
	}
	if w.adaptive() {
		c.began = time.Now()
	}
	w.next, w.fill = c, c.in
	w.full = max(1, min(w.size, w.window()-w.ahead))
}

// submit hands the chunk that was being filled, if there is anything in it, to
// the executor.
func (w *walk[In, Out]) submit() {
	c := w.next
	c.in, w.fill = w.fill, nil
	if len(c.in) == 0 {
		return
	}
	w.ahead += len(c.in)
	if !c.began.IsZero() {
		c.filled = time.Since(c.began)
	}
	if cap(c.out) < len(c.in) {
		c.out = make([]Out, len(c.in), cap(c.in))
	}
	c.out = c.out[:len(c.in)]
	w.launch(c)
	w.flight = append(w.flight, c)
}

// launch starts a chunk, or what is left of it.
func (w *walk[In, Out]) launch(c *chunk[In, Out]) {
	if w.single {
		c.one = w.f.submit("futures.Map", w.ctx, w.ex, c.in[0], w.settings.task)
	} else {
		c.many = w.submitMany(c)
	}
	if w.inbox != nil {
		c.slot = w.inbox.add(c.task())
	}
}

func (w *walk[In, Out]) submitMany(c *chunk[In, Out]) *Future[struct{}] {
	f := &mapFuture[In, Out]{walk: w, chunk: c}
	if w.remote {
		// What comes back is decoded into out: one of its own, so that nobody's
		// slice is overwritten that still has another's values.
		f.in, f.out = c.in[c.ran:], make([]Out, 0, len(c.in)-c.ran)
	}
	f.task.typed = f
	f.task.submit("futures.Map", w.ctx, w.ex, w.settings.task)
	return &f.Future
}

// mapFuture is the task of a chunk; it goes by the name of the user's function.
type mapFuture[In, Out any] struct {
	Future[struct{}]
	walk  *walk[In, Out]
	chunk *chunk[In, Out]

	// Of a chunk that runs outside this process.
	in   []In
	out  []Out
	lost int // inputs that had begun when the worker was lost
}

func (f *mapFuture[In, Out]) input() any              { return &f.in }
func (f *mapFuture[In, Out]) output() any             { return &f.out }
func (f *mapFuture[In, Out]) definition() *Definition { return f.walk.f.def }

func (f *mapFuture[In, Out]) batch() Batch {
	if !f.walk.remote {
		return nil
	}
	return (*chunkBatch[In, Out])(f)
}

// chunkBatch is a mapFuture as a Batch. What it writes is the walk's once the task is
// done.
type chunkBatch[In, Out any] mapFuture[In, Out]

func (b *chunkBatch[In, Out]) Fail(i int, err error) { b.chunk.fail(b.chunk.ran+i, err) }
func (b *chunkBatch[In, Out]) Took(d time.Duration)  { b.chunk.took = d }
func (b *chunkBatch[In, Out]) Lost(begun int)        { b.lost = begun }

func (f *mapFuture[In, Out]) drop(keepValue bool) {
	f.in = nil
	if !keepValue {
		f.out = nil
	}
	f.Future.drop(keepValue)
}

func (f *mapFuture[In, Out]) key() FunctionKey {
	return FunctionKey{entryOf(f.walk.f.fn), f.walk.f.name}
}

func (f *mapFuture[In, Out]) invoke(ctx context.Context) error {
	f.chunk.run(ctx, f.walk.f.fn, &f.walk.stop)
	return nil
}

// run calls fn for the items from c.ran on, whatever it does to one of them.
func (c *chunk[In, Out]) run(ctx context.Context, fn func(context.Context, In) (Out, error), stop *atomic.Bool) {
	var began time.Time
	if !c.began.IsZero() {
		began = time.Now()
	}
	for c.ran < len(c.in) && !stop.Load() {
		c.runUntilPanic(ctx, fn, stop)
	}
	if !began.IsZero() {
		c.took = time.Since(began)
	}
}

func (c *chunk[In, Out]) runUntilPanic(ctx context.Context, fn func(context.Context, In) (Out, error), stop *atomic.Bool) {
	in, out, i := c.in, c.out[:len(c.in)], c.ran
	returned := false
	defer func() {
		c.ran = i
		if returned {
			return
		}
		if err := recoverPanic(recover()); err != nil {
			c.fail(i, err)
			c.ran = i + 1
		}
	}()
	var err error
	for ; i < len(in); i++ {
		if stop.Load() {
			break
		}
		if out[i], err = fn(ctx, in[i]); err != nil {
			c.fail(i, err)
		}
	}
	returned = true
}

func (c *chunk[In, Out]) fail(i int, err error) {
	if c.errs == nil {
		c.errs = make([]error, len(c.in))
	}
	c.errs[i] = err
	var zero Out
	c.out[i] = zero
}

// yieldNext waits for the next chunk and yields its items.
func (w *walk[In, Out]) yieldNext() {
	c, err := w.nextChunk()
	if err != nil {
		w.over = true
		w.stop.Store(true)
		var zero Out
		w.yield(zero, err)
		return
	}
	w.collect(c)
	var none Out
	out, errs, yield := c.out, c.errs, w.yield
	for i, value := range out {
		out[i] = none // what has been yielded is the caller's alone
		if errs != nil {
			err = errs[i]
		}
		if !yield(value, err) {
			w.over = true
			return
		}
	}
	w.ahead -= len(out)
	w.recycle(c)
}

// nextChunk waits for the chunk to be yielded next and takes it out of flight.
func (w *walk[In, Out]) nextChunk() (*chunk[In, Out], error) {
	ctx := w.mapping.ctx
	if ctx.Err() != nil {
		return nil, w.waitError(&WaitError{Cause: context.Cause(ctx)})
	}
	at := 0
	if w.inbox != nil {
		slot, err := w.inbox.await(ctx)
		if err != nil {
			return nil, w.waitError(err)
		}
		at = slices.IndexFunc(w.flight, func(c *chunk[In, Out]) bool { return c.slot == slot })
	} else if t := w.flight[0].task(); !t.resolved() {
		if err := t.await(ctx); err != nil {
			return nil, w.waitError(err)
		}
	}
	c := w.flight[at]
	if c.task().State() == Cancelled && ctx.Err() != nil {
		// What the end of ctx has cancelled is no outcome of an item.
		return nil, w.waitError(&WaitError{Cause: context.Cause(ctx)})
	}
	w.flight = slices.Delete(w.flight, at, at+1)
	return c, nil
}

// waitError counts items instead of chunks.
func (w *walk[In, Out]) waitError(err error) error {
	if wait, ok := err.(*WaitError); ok {
		return &WaitError{Cause: wait.Cause, Unfinished: w.ahead, Total: w.ahead}
	}
	return err
}

// collect brings the outcome of a chunk's task into the chunk.
func (w *walk[In, Out]) collect(c *chunk[In, Out]) {
	if c.one != nil {
		value, err := c.one.outcome()
		if err != nil {
			c.fail(0, err)
		}
		c.out[0] = value
		c.one = nil // what is to be yielded is the caller's alone
		return
	}
	for {
		_, err := c.many.outcome()
		if w.remote {
			if w.collectRemote(c, err) {
				break
			}
			continue
		}
		if err == nil && c.ran == len(c.in) {
			break
		}
		if err == nil {
			err = ErrCancelled // told to stop
		}
		p, _ := errors.AsType[*PanicError](err)
		if p == nil || !p.Goexit {
			for i := c.ran; i < len(c.in); i++ {
				c.fail(i, err)
			}
			break
		}
		// One item ended the goroutine. It has failed, the others go on.
		c.fail(c.ran, err)
		c.ran++
		if c.ran == len(c.in) {
			break
		}
		c.many = w.submitMany(c)
		if err := c.many.task.await(w.mapping.ctx); err != nil {
			c.many.Cancel()
			_ = c.many.task.await(context.WithoutCancel(w.mapping.ctx)) // it does not end before
		}
	}
	w.adapt(c)
}

// collectRemote brings what has come back of a chunk into it, and reports whether that is
// all. If the worker was lost, the calls that had not begun are made again.
func (w *walk[In, Out]) collectRemote(c *chunk[In, Out], err error) (all bool) {
	f := c.many.task.typed.(*mapFuture[In, Out])
	if err == nil && len(f.out) != len(c.in)-c.ran {
		err = fmt.Errorf("futures: %d values for %d inputs", len(f.out), len(c.in)-c.ran)
	}
	if err == nil {
		for i, v := range f.out {
			if c.errs == nil || c.errs[c.ran+i] == nil {
				c.out[c.ran+i] = v
			}
		}
		clear(f.out) // what is to be yielded is the caller's alone
		c.ran = len(c.in)
		return true
	}
	failed := len(c.in)
	if f.lost > 0 {
		failed = min(c.ran+f.lost, len(c.in))
	}
	for i := c.ran; i < failed; i++ {
		c.fail(i, err)
	}
	if c.ran = failed; failed == len(c.in) {
		return true
	}
	c.many = w.submitMany(c)
	if err := c.many.task.await(w.mapping.ctx); err != nil {
		c.many.Cancel()
		_ = c.many.task.await(context.WithoutCancel(w.mapping.ctx)) // it does not end before
	}
	return false
}

// adapt chooses the size of the next chunks.
func (w *walk[In, Out]) adapt(c *chunk[In, Out]) {
	if !w.adaptive() || len(c.in) < w.size {
		return
	}
	switch longest := max(c.filled, c.took); {
	case longest < chunkShort && w.size < maxChunk:
		w.size *= 2
	case longest > chunkLong && w.size > 1:
		w.size = max(1, int(float64(w.size)*float64(chunkShort)/float64(longest)))
	}
}

// recycle keeps an emptied chunk for reuse.
func (w *walk[In, Out]) recycle(c *chunk[In, Out]) {
	clear(c.in)
	w.spare = append(w.spare, &chunk[In, Out]{in: c.in[:0], out: c.out[:0]})
}

// finish cancels what is in flight and waits for what is running.
func (w *walk[In, Out]) finish() {
	w.stop.Store(true)
	for _, c := range slices.Backward(w.flight) {
		// What is queued first: a worker that stops early would start the next.
		c.task().Cancel()
	}
	for _, c := range w.flight {
		if t := c.task(); !t.resolved() {
			_ = t.await(context.WithoutCancel(w.mapping.ctx)) // it does not end before
		}
	}
}
