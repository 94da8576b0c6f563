package procpool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/process"
)

// state is where a worker stands. See the package documentation for the drawing.
type state uint8

const (
	stateStarting     state = iota // the process is being started, and has not said hello
	stateInitializing              // it runs its initializer
	stateReady                     // it takes tasks
	stateRetiring                  // it takes no more, and goes when it has finished
	stateGone                      // the process is dead and all that it had is accounted for
)

func (s state) String() string {
	return [...]string{"starting", "initializing", "ready", "retiring", "gone"}[s]
}

// follows are the transitions that there are (PP4).
var follows = [...][]state{
	stateStarting:     {stateInitializing, stateRetiring, stateGone},
	stateInitializing: {stateReady, stateRetiring, stateGone},
	stateReady:        {stateRetiring, stateGone},
	stateRetiring:     {stateGone},
	stateGone:         {},
}

// worker is one process, from its start until all that it had is accounted for. Its
// goroutine, live, owns it.
type worker struct {
	pool     *Pool
	number   int // of its place, given to another worker afterwards
	restarts int // how many workers were at this place before

	process  atomic.Pointer[process.Process] // once it is started
	pid      int                             // likewise, for its own goroutine
	pipes    *pipes
	in       *frameReader
	out      *frameWriter
	exit     process.Exit // once it is dead
	families int          // whose memory it inherits, for package ipc
	stacks   []byte       // captured before its end, if it was killed for its task

	state state // guarded by Pool.mu; moved by Pool.move

	// What it runs. Guarded by Pool.feed.
	job   *job      // that was sent to it; without a ring
	begun bool      // it has said STARTED of job
	taken int       // tasks sent to it
	since time.Time // when it began with job

	ready atomic.Bool  // has been in stateReady
	done  atomic.Int64 // tasks finished
	seen  int64        // done at the last look for idle workers; the supervisor's
	bye   atomic.Bool  // it has announced its end
	doom  atomic.Pointer[doom]
}

// doom is why the pool kills a worker. The first one counts.
type doom struct {
	reason doomReason
	job    *job // because of it, or nil
	err    error
	stacks chan []byte // of the worker, captured before the kill: one value, after its end; nil if there are none
}

type doomReason uint8

const (
	doomTimeout  doomReason = iota // job outlived its timeout and the grace
	doomCancel                     // job outlived its context and the grace
	doomProtocol                   // the worker said what it must not; err
	doomKilled                     // Pool.Kill, Terminate, or the end of a Shutdown; err
	doomSlow                       // it did not say hello, or did not go, in time; err
)

// live is the life of a worker.
func (w *worker) live() {
	p := w.pool
	life, err := w.start()
	if err != nil {
		p.bury(w, err)
		return
	}
	proc := w.process.Load()
	if p.stateOf(w) != stateStarting {
		proc.Kill() // it was told to go before there was a process
	}
	hello := time.AfterFunc(p.opts.StartTimeout, func() {
		if p.stateOf(w) == stateStarting {
			w.kill(&doom{reason: doomSlow, err: fmt.Errorf("procpool: it did not say HELLO within %v", p.opts.StartTimeout)})
		}
	})
	go func() {
		// A descendant that has kept the pipe must not keep the pool.
		<-proc.Dead()
		_ = life.SetReadDeadline(time.Now().Add(lingering))
	}()
	if err := w.listen(); err != nil {
		w.kill(&doom{reason: doomProtocol, err: err})
	}
	hello.Stop()
	// What it was asked to do before it goes is done, or nobody hears of it any more.
	late := time.AfterFunc(p.grace(), proc.Kill)
	w.exit = proc.Exit()
	late.Stop()
	if d := w.doom.Load(); d != nil && d.stacks != nil {
		w.stacks = <-d.stacks
	}
	_ = life.Close()
	p.bury(w, nil)
}

// lingering is how long what a dead worker wrote is waited for if a descendant keeps its
// pipe open.
const lingering = 100 * time.Millisecond

// start starts the process. The file returned is where it writes to; it is closed by
// live, and with it what the parent writes to.
func (w *worker) start() (life *pipes, err error) {
	p := w.pool
	life, theirs, err := newPipes()
	if err != nil {
		return nil, fmt.Errorf("procpool: %w", err)
	}
	spec := process.Spec{
		Env:         slices.Concat(os.Environ(), raceEnvironment(), p.opts.Env),
		Dir:         p.opts.Dir,
		Files:       append(theirs.files(), p.transport.files(w)...),
		Stdout:      p.opts.Stdout,
		Stderr:      p.opts.Stderr,
		MemoryLimit: p.opts.MemoryLimit,
	}
	if c := p.opts.Command; len(c) > 0 {
		spec.Path, spec.Args = c[0], c[1:]
	} else {
		spec.Args = workerArgs
	}
	w.pipes, w.in, w.out = life, newFrameReader(life.in), &frameWriter{w: life.out}
	p.transport.enlist(w)
	proc, err := process.Start(spec)
	theirs.close()
	if err != nil {
		_ = life.Close()
		return nil, fmt.Errorf("procpool: %w", err)
	}
	w.pid = proc.PID()
	w.process.Store(proc)
	return life, nil
}

// workerArgs are seen by whoever lists processes.
var workerArgs = []string{"(futures worker)"}

// pipes are the parent's ends of the two pipes to a worker, or the worker's.
type pipes struct{ in, out *os.File }

func newPipes() (ours, theirs *pipes, err error) {
	ours, theirs = new(pipes), new(pipes)
	if theirs.in, ours.out, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	if ours.in, theirs.out, err = os.Pipe(); err != nil {
		_ = theirs.in.Close()
		_ = ours.out.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

func (p *pipes) files() []syscall.Conn { return []syscall.Conn{p.in, p.out} }

func (p *pipes) close() {
	_ = p.in.Close()
	_ = p.out.Close()
}

// Close closes both ends.
func (p *pipes) Close() error { p.close(); return nil }

// SetReadDeadline bounds the reading.
func (p *pipes) SetReadDeadline(t time.Time) error { return p.in.SetReadDeadline(t) }

// listen takes what the worker says until its end. The error is that of a worker that
// does not keep to the protocol.
func (w *worker) listen() error {
	for {
		f, err := w.in.read()
		switch {
		case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, os.ErrDeadlineExceeded):
			return nil // it died, perhaps in the middle of a frame
		case err != nil:
			return err
		}
		if err := w.handle(f); err != nil {
			return err
		}
	}
}

func (w *worker) handle(f frame) error {
	p := w.pool
	switch f.kind {
	case frameHello:
		var h hello
		if err := codec.Decode(f.payload, &h); err != nil {
			return fmt.Errorf("%w: HELLO: %w", errFrame, err)
		}
		if h.Protocol != protocolVersion {
			return fmt.Errorf("%w: HELLO of version %d, this is version %d", errFrame, h.Protocol, protocolVersion)
		}
		return w.greet()
	case frameReady:
		if !p.move(w, stateReady) {
			err := w.outOfPlace("READY")
			if err == nil {
				w.ready.Store(true) // and it goes
			}
			return err
		}
		w.ready.Store(true)
		p.emit(inspect.Event{Kind: inspect.WorkerStart, Worker: w.number})
		p.transport.ready(w)
		p.grow() // after a failure workers come one at a time, and this one is there
		return nil
	case frameFailed:
		if p.opts.Init == nil || p.stateOf(w) != stateInitializing {
			return w.outOfPlace("FAILED")
		}
		w.initializerFailed(f)
		return nil
	case frameBye:
		if w.bye.Swap(true) || !w.ready.Load() {
			return w.outOfPlace("BYE")
		}
		p.retire(w)
		return nil
	}
	return p.transport.handle(w, f)
}

// outOfPlace is the error of a frame that does not belong where it came, nil if the worker
// cannot know yet that it has been told to go.
func (w *worker) outOfPlace(name string) error {
	if p := w.pool; p.stateOf(w) == stateRetiring && !w.bye.Load() {
		return nil
	}
	return fmt.Errorf("%w: %s from a worker that is %v", errFrame, name, w.pool.stateOf(w))
}

// greet answers HELLO.
func (w *worker) greet() error {
	p := w.pool
	if !p.move(w, stateInitializing) {
		return w.outOfPlace("HELLO")
	}
	msg := welcome{Protocol: protocolVersion, Worker: w.number}
	if !p.opts.sets("GOMAXPROCS") {
		msg.Processors = max(1, runtime.GOMAXPROCS(0)/p.Size())
	}
	if p.opts.MemoryLimit > 0 && !p.opts.sets("GOMEMLIMIT") {
		msg.MemoryLimit = p.opts.MemoryLimit / 10 * 9
	}
	if i := p.opts.Init; i != nil {
		msg.Init, msg.InitArg = i.name, i.argument
	}
	return p.transport.welcome(w, &msg)
}

func (w *worker) sendWelcome(msg *welcome) error {
	payload, err := codec.Append(nil, msg)
	if err != nil {
		return err
	}
	_ = w.out.write(frameWelcome, 0, 0, payload) // if it is dead, its end is seen where we read
	return nil
}

// initializerFailed makes the pool broken.
func (w *worker) initializerFailed(f frame) {
	p := w.pool
	init := *p.opts.Init
	j := &job{pool: p, fn: &function{name: init.name}}
	var err error
	switch kind := resultKind(f.flags); kind {
	case resultPanic, resultPanicError, resultGoexit:
		err = j.decode(kind, f.payload)
	default:
		err = j.decode(resultError, f.payload)
	}
	p.opts.logger().Error("procpool: initializer failed", "pool", p.opts.Name, "worker", w.number, "pid", w.pid, "err", err)
	p.breakDown(fmt.Errorf("initializer: %w", err))
	p.retire(w)
	w.kill(nil)
}

// kill ends the process and its group; d may be nil.
func (w *worker) kill(d *doom) {
	if d != nil {
		w.doom.CompareAndSwap(nil, d)
	}
	if proc := w.process.Load(); proc != nil {
		proc.Kill()
	}
}

// dump is kill after the worker has written its stacks, for the error of d.job.
func (w *worker) dump(d *doom) {
	d.stacks = make(chan []byte, 1)
	if w.doom.CompareAndSwap(nil, d) {
		go func() { d.stacks <- w.process.Load().DumpAndKill(dumpTime) }()
	}
}

// dumpTime is how long a worker may take to write its stacks.
const dumpTime = time.Second

// move changes a worker's state if the new one may follow, and reports whether it did.
func (p *Pool) move(w *worker, to state) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moveLocked(w, to)
}

func (p *Pool) moveLocked(w *worker, to state) bool {
	if !slices.Contains(follows[w.state], to) {
		return false
	}
	if assert.Enabled {
		assert.That(w.state != stateGone, "PP4: worker %d moves from gone to %v", w.number, to)
	}
	w.state = to
	return true
}

func (p *Pool) stateOf(w *worker) state {
	p.mu.Lock()
	defer p.mu.Unlock()
	return w.state
}
