package procpool

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/internal/taskring"
	"github.com/futures-go/futures/internal/wake"
)

// pulls is the transport by a ring in shared memory, from which idle workers pull
// tasks. What happened to a task is in its slot before anybody here has looked.
//
// One at a time takes completions: who has the role. Goroutines that are about to wait
// take it for a short while, since they have nothing better to do; when nobody has it,
// the fetcher sleeps until a worker rings.
type pulls struct {
	pool *Pool
	ring *taskring.Ring

	// Guarded by Pool.feed.
	jobs   []*job // on the ring or at a worker, by slot
	lowest int    // priority of what was published since the ring was empty
	mixed  bool   // there have been priorities other than 0
	given  bool   // the memory was given up: see corrupt

	members atomic.Pointer[[]*worker] // from enlist to bury; replaced under feed

	role    sync.Mutex   // who has it takes completions; taken before feed
	scratch []byte       // the role's
	batch   []completion // the role's
	spin    wake.Spin    // of goroutines that wait for a task

	start   sync.Once      // of the fetcher
	fetcher sync.WaitGroup // its end
	closed  atomic.Bool    // it is to end
	named   []*worker      // that know all functions; guarded by the lock of Pool.functions
	timed   atomic.Int64   // jobs on the ring that have a timeout

	overtimeArmed, memoryArmed atomic.Bool // somebody will look

	samples atomic.Uint32 // counts jobs, to time some of them
}

const (
	ringSlots = 2048    // tasks on the ring and at workers
	arenaSize = 1 << 36 // addresses for large arguments and values; memory is taken as it is used

	sampleEvery = 64 // jobs, of which one is timed

)

// newPulls makes the shared memory, or says why the system does not give it.
func newPulls(p *Pool) (*pulls, error) {
	ring, err := taskring.New(ringSlots, MaxWorkers, 0)
	if err != nil {
		return nil, err
	}
	blocks, err := arena.New("futures-arena", arenaSize)
	if err != nil {
		_ = ring.Close()
		return nil, err
	}
	p.arena = blocks
	r := &pulls{pool: p, ring: ring, jobs: make([]*job, ringSlots), lowest: math.MaxInt}
	r.spin = wake.Spin{Max: wake.DefaultSpin, Goroutines: true}
	r.members.Store(new([]*worker))
	p.functions.Added = r.addFunction
	return r, nil
}

func (r *pulls) files(w *worker) []syscall.Conn {
	families := family.Files()
	w.families = len(families)
	return append([]syscall.Conn{
		process.FD(r.ring.Region().FD()),
		process.FD(r.ring.Bell().FD()),
		process.FD(r.pool.arena.Region().FD()),
	}, families...)
}

func (r *pulls) enlist(w *worker) {
	r.start.Do(func() { r.fetcher.Go(r.fetch) })
	r.ring.Enlist(w.number)
	r.changeMembers(func(ws []*worker) []*worker { return append(ws, w) })
}

func (r *pulls) changeMembers(change func([]*worker) []*worker) {
	p := r.pool
	p.feed.Lock()
	defer p.feed.Unlock()
	changed := change(slices.Clone(*r.members.Load()))
	r.members.Store(&changed)
}

// welcome tells the worker the functions that there are; those that come later are told
// to all that were welcomed, before anything of theirs is on the ring.
func (r *pulls) welcome(w *worker, msg *welcome) error {
	fs := &r.pool.functions
	fs.Lock()
	defer fs.Unlock()
	msg.Families = w.families
	msg.Shared, msg.Functions, msg.MaxTasks = true, r.pool.functionNames(), r.pool.opts.MaxTasksPerWorker
	r.named = append(r.named, w)
	return w.sendWelcome(msg)
}

func (r *pulls) addFunction(f *function) {
	for _, w := range r.named {
		_ = w.out.write(frameFunction, 0, uint64(f.number), []byte(f.name))
	}
}

// ready has nothing to do: the worker pulls.
func (r *pulls) ready(*worker) { r.hand() }

func (r *pulls) retire(w *worker) { r.ring.Retire(w.number) }

func (r *pulls) idOf(j *job) uint64 { return j.ticket.ID() }

func (r *pulls) waiting() int { return r.ring.Queued() }

func (r *pulls) ahead() bool { return true }

// hand publishes what is queued as far as there is room, in the order of priority.
func (r *pulls) hand() {
	p := r.pool
	p.feed.Lock()
	handed := r.publishQueued()
	p.feed.Unlock()
	r.wake(handed)
}

// publishQueued is hand without waking workers. The caller holds feed, and calls wake with
// the result after giving it up.
func (r *pulls) publishQueued() (handed int) {
	p := r.pool
	if p.queue.Above(r.lowest) && r.ring.Pending() > 0 {
		p.giveBack(r.recall())
	}
	for r.room() {
		j := p.next()
		if j == nil || !r.publish(j) {
			break
		}
		handed++
	}
	return handed
}

// wake gets workers for so many published jobs.
func (r *pulls) wake(handed int) {
	if handed == 0 {
		return
	}
	r.watchMemory()
	r.pool.queue.Popped()
	for range handed {
		if !r.ring.WakeWorker() {
			break
		}
	}
}

// room reports whether one more job should go on the ring. Where there are priorities
// little does, so that little has to be taken back for what is more urgent.
func (r *pulls) room() bool {
	if r.given {
		return false
	}
	few := 2 * max(1, len(*r.members.Load()))
	// What was withdrawn pends until a worker comes by, which may be when nobody looks
	// here again; so it must not count.
	if r.mixed && r.ring.Pending() >= few && r.ring.Queued() >= few {
		return false
	}
	return r.ring.Room()
}

// publish puts a job on the ring. It reports false if there is no shared memory for it
// now, or none at all: then the job has failed. The caller holds feed.
func (r *pulls) publish(j *job) bool {
	p := r.pool
	t := taskring.Task{
		Function: j.fn.number, Context: uint32(j.contextSize), Length: uint64(j.length),
		Timeout: int64(j.task.Timeout()), Deadline: j.deadline, Attempt: uint32(j.task.Attempt()) + 1,
	}
	if j.items > 0 {
		t.Flags |= taskring.Batch
	}
	inline := j.payload
	switch {
	case j.payload == nil && j.block.Cap > 0:
		t.Flags |= taskring.InBlock
	case len(j.payload) > taskring.Inline:
		if j.block.Cap < len(j.payload) { // it may have one from an earlier time on the ring
			p.takeBlock(j)
			if p.lend(j, nil, len(j.payload)) == nil {
				return r.noMemory(j)
			}
		}
		copy(p.arena.Bytes(j.block), j.payload)
		inline = nil
		t.Flags |= taskring.InBlock
	default:
		if want := int(j.fn.valueSize.Load()); want > taskring.Inline && j.block.Cap == 0 {
			p.lend(j, nil, want) // for the value; without it the worker asks
		}
	}
	t.Block, t.Size = uint64(j.block.Off), uint64(j.block.Cap)
	if t.Timeout > 0 {
		r.timed.Add(1)
		r.watchOvertime()
	}
	if t.Timeout > 0 || r.samples.Add(1)%sampleEvery == 0 {
		t.Flags |= taskring.Timed
	}
	if r.ring.Pending() == 0 {
		r.lowest = math.MaxInt
	}
	priority := j.task.Priority()
	r.lowest = min(r.lowest, priority)
	r.mixed = r.mixed || priority != 0
	j.ticket, j.adrift = r.ring.Publish(&t, inline), false
	r.jobs[j.ticket.Slot] = j
	return true
}

// noMemory puts back a job whose payload finds no block. If none is in use that will be
// free again, it never will.
func (r *pulls) noMemory(j *job) bool {
	p := r.pool
	if p.arena.Stats().Blocks > 0 {
		j.place = placeReturned
		p.giveBack([]*job{j})
		return false
	}
	j.place = placeOver
	j.task.Started(0)
	go p.finish(j, nil, fmt.Errorf("procpool: no shared memory for the %d bytes of the argument of %s", j.length, j.fn.name))
	return true
}

func (r *pulls) withdraw(j *job) bool {
	if r.ring.Withdraw(j.ticket) {
		r.clear(j)
		return true
	}
	r.refresh(j)
	return false
}

// clear takes a job off its slot, which is free then. The caller holds feed.
func (r *pulls) clear(j *job) {
	r.jobs[j.ticket.Slot] = nil
	r.ring.Free(j.ticket.Slot)
}

func (r *pulls) refresh(j *job) {
	number, _ := r.ring.Owner(j.ticket)
	if number < 0 {
		return
	}
	if w := r.member(number); w != nil {
		r.started(w, j)
	}
}

// started notes that a worker has a job. The caller holds feed.
func (r *pulls) started(w *worker, j *job) {
	j.worker = w
	if j.task.Started(w.number) {
		r.pool.emitTask(inspect.TaskStarted, j.task, w, nil)
	}
}

func (r *pulls) holds(w *worker, j *job) bool {
	number, done := r.ring.Owner(j.ticket)
	return number == w.number && !done
}

func (r *pulls) current(w *worker) (*job, time.Time) {
	slot := r.ring.Current(w.number)
	if slot < 0 {
		return nil, time.Time{}
	}
	j := r.jobs[slot]
	if j == nil || !r.holds(w, j) {
		return nil, time.Time{}
	}
	var since time.Time
	if began := r.ring.Began(j.ticket); began > 0 {
		since = time.Now().Add(time.Duration(began - taskring.Monotonic()))
	}
	return j, since
}

func (r *pulls) handed() (jobs []*job) {
	for _, j := range r.jobs {
		if j != nil {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

func (r *pulls) recall() (jobs []*job) {
	for _, j := range r.jobs {
		if j != nil && j.place == placeHanded && r.ring.Withdraw(j.ticket) {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(a, b *job) int { return a.ticket.Compare(b.ticket) })
	for _, j := range jobs {
		r.clear(j)
		j.place = placeReturned
	}
	return jobs
}

func (r *pulls) close() error {
	r.closed.Store(true)
	r.ring.Bell().Ring()
	r.fetcher.Wait()
	err := r.ring.Close()
	if e := r.pool.arena.Close(); e != nil {
		err = e
	}
	return err
}

// handle takes the frames of results that do not fit.
func (r *pulls) handle(w *worker, f frame) error {
	p := r.pool
	slot := r.ring.SlotOf(f.id)
	p.feed.Lock()
	var j *job
	if slot >= 0 {
		j = r.jobs[slot]
	}
	if j == nil || j.ticket.ID() != f.id || j.place != placeHanded || !r.holds(w, j) {
		p.feed.Unlock()
		return fmt.Errorf("%w: frame of kind %d for task %#x, which the worker does not have", errFrame, f.kind, f.id)
	}
	switch f.kind {
	case frameNeed:
		defer p.feed.Unlock()
		size, err := parseNeed(f.payload)
		if err != nil {
			return err
		}
		p.takeBlock(j)
		if size <= maxFrame {
			p.lend(j, nil, int(size))
		}
		grant := appendBlock(nil, uint64(j.block.Off), uint64(j.block.Cap))
		go func() { _ = w.out.write(frameGrant, 0, f.id, grant) }() // its pipe may be full
		return nil
	case frameResult:
		if resultKind(f.flags) >= resultKinds || !r.ring.Seize(j.ticket, w.number) {
			p.feed.Unlock()
			return fmt.Errorf("%w: RESULT of kind %d", errFrame, f.flags)
		}
		j.place = placeOver
		r.started(w, j)
		r.leave(j)
		p.feed.Unlock()
		w.done.Add(1)
		p.deliver(j, w, resultKind(f.flags), f.payload)
		p.handAndGrow()
		return nil
	}
	p.feed.Unlock()
	return fmt.Errorf("%w: frame of kind %d", errFrame, f.kind)
}

// bury takes the completions and the jobs of a dead worker. It may have been about to
// wake anybody, so all are woken that it could have meant.
func (r *pulls) bury(w *worker) (lost []lostJob) {
	p := r.pool
	fs := &p.functions
	fs.Lock()
	r.named = slices.DeleteFunc(r.named, func(n *worker) bool { return n == w })
	fs.Unlock()

	r.role.Lock()
	for r.ring.Ready(w.number) && r.drain() > 0 {
		// All that it has completed counts before what it has lost.
	}
	p.feed.Lock()
	for _, l := range r.ring.Bury(w.number) {
		j := r.jobs[l.Slot]
		if j == nil {
			r.ring.Free(l.Slot)
			continue
		}
		one := lostJob{job: j, begun: l.Begun, progress: r.ring.Progress(l.Slot)}
		if l.Done {
			if kind, payload, err := r.result(j, l.Slot); err == nil {
				one.finished, one.kind, one.payload = true, kind, slices.Clone(payload)
			}
		}
		j.place = placeOver
		if l.Begun {
			r.started(w, j)
		}
		r.leave(j)
		lost = append(lost, one)
	}
	p.feed.Unlock()
	r.changeMembers(func(ws []*worker) []*worker {
		return slices.DeleteFunc(ws, func(m *worker) bool { return m == w })
	})
	r.role.Unlock()
	r.ring.Bell().Ring()
	r.ring.WakeWorker()
	return lost
}

// noteSize remembers how large values of a function are, so that tasks come with a block
// for it.
func (f *function) noteSize(n int) {
	if n = min(n, mostHint); int64(n) > f.valueSize.Load() {
		f.valueSize.Store(int64(n))
	}
}

// mostHint bounds the block that a task is lent for a value that may be small.
const mostHint = 1 << 20

// decodesAtOnce reports whether the bytes of a t are looked at once only when it is decoded,
// so that it does not matter if somebody changes them meanwhile: numbers, and what is merely
// copied.
func decodesAtOnce(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint, reflect.Uint64, reflect.Uint32:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return false
}
