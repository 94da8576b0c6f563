package futures

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"
	"time"
)

// Task is one submitted call as its executor sees it: the half of a future that
// has no type parameter. A future, its task and the task's context are one
// allocation; what only some tasks need is made when it is asked for.
//
// An executor that runs tasks in this process calls, for each task it accepted,
// either Run, or its parts in this order, all from one goroutine:
//
//	if t.Start(worker) {
//		delay, again := t.Call()
//		// again: Start it once more after delay, unless it is cancelled
//		if t.Publish() {
//			t.Callbacks()
//		}
//	}
//
// An executor that runs tasks elsewhere reads Input, calls Start when the far
// side has started, fills Output, and resolves with Succeed or Fail. Who has
// started a task is its owner: only the owner resolves it.
type Task struct {
	// What a worker touches comes first, so that with the function and a small
	// value, which follow in Future, it is one cache line.

	typed  typed           // the future around this task; immutable
	parent context.Context // of the task's own context; immutable

	phase  atomic.Uint32 // phaseXxx, the outcome, and flags: see below
	worker int32         // who started it last; the owner's

	// order is the position among all resolutions of the program (F2). Between
	// Call and Publish it holds the staged outcome instead. The owner's.
	order uint64
}

// taskRest is the part of a Task that a worker need not touch. It makes a future
// of one word 120 bytes, which are allocated as 128: two whole cache lines.
type taskRest struct {
	host     Host                      // set by Accept, before anyone else can see the task
	err      error                     // the task's error; the resolver's, written before it publishes (F2)
	watchers atomic.Pointer[watchers]  // who must be told; nil if nobody asked. Made before flagWatched is set
	ext      atomic.Pointer[extension] // what few tasks need. Made before flagExtended is set
	entry    uintptr                   // of a closure, which is dropped when the task has run; immutable
}

// The phase word decides what a task is (F1). The lowest byte is the phase:
const (
	phasePending uint32 = iota // whoever moves it on by compare-and-swap is its owner or resolver
	phaseRunning               // owned by who started it, the only one to resolve it
	phaseClaimed               // its one resolver is about to publish
	phaseDone                  // published: everything the resolver wrote is visible, and final

	phaseMask = 0xff
)

// The second byte is the outcome, a State, from phaseClaimed or phaseDone on.
const outcomeShift = 8

// The rest are flags. Others may set them while the owner runs the task; the
// owner publishes by compare-and-swap, so that it misses none.
const (
	flagStop     = 1 << (16 + iota) // Cancel was called while it ran
	flagObserved                    // somebody has looked at the outcome
	flagWatched                     // there are watchers
	flagExtended                    // there is an extension
	flagStarted                     // it was Running before it was claimed
	flagTold                        // the future is a teller; immutable
)

func withPhase(word, phase uint32) uint32 { return word&^phaseMask | phase }

func withOutcome(word, phase uint32, outcome State) uint32 {
	return withPhase(word, phase) | uint32(outcome)<<outcomeShift
}

// typed is what a Task needs of the Future[T] around it.
type typed interface {
	rest() *taskRest
	handle() Handle
	key() FunctionKey
	invoke(ctx context.Context) error // run the function, stage its value
	drop(keepValue bool)              // forget function and input, and the value unless told to keep it
	input() any                       // *In of a registered function, else nil
	output() any                      // *T, to decode a result into
	definition() *Definition          // of a registered function, else nil
	batch() Batch                     // of a chunk of a Map, else nil
}

// FunctionKey tells functions apart: by the name that Define gave them, or for
// closures by their code.
type FunctionKey struct {
	Entry      uintptr // of the code; 0 once the task has run
	Registered string  // empty for a closure
}

// Name returns the registered name, or else the function's name in its source.
func (k FunctionKey) Name() string {
	if k.Registered != "" {
		return k.Registered
	}
	if fn := runtime.FuncForPC(k.Entry); fn != nil {
		return fn.Name()
	}
	return "unknown"
}

// Host is the side of an executor that a task talks back to. Its methods may be
// called from any goroutine, and must not block.
type Host interface {
	// Cancelled tells that t was cancelled. If it had not been started it is
	// resolved already and must not be started; if it had, its context has ended
	// and the executor does what else it can to stop it.
	Cancelled(t *Task, started bool)

	// Block and Unblock frame a wait inside t for another future, or for room in
	// a queue. Between them t needs no slot. Unblock returns when t has one again.
	Block(t *Task)
	Unblock(t *Task)
}

// FetchingHost is the Host of an executor whose workers take tasks and deliver
// outcomes by themselves, so that what happened to a task may be known there
// before anybody here has looked. It is asked where that matters.
type FetchingHost interface {
	Host

	// Withdraw makes sure that no worker will start t and returns true; or, if one
	// has, it calls t.Started and returns false. Only who has withdrawn a task
	// resolves it while it is Pending.
	Withdraw(t *Task) bool

	// Refresh calls t.Started if a worker has started t.
	Refresh(t *Task)

	// Await is called by a goroutine that is about to wait for t. It may look for
	// outcomes itself for a short while, and returns when t is resolved or is
	// better waited for. It reports whether that may be soon, so that letting other
	// goroutines run is likely to be all that it takes.
	Await(t *Task) (soon bool)
}

// fetching returns the host of a task if it has to be asked.
func (t *Task) fetching() FetchingHost {
	host, _ := t.rest().host.(FetchingHost)
	return host
}

// completions counts resolutions, so that futures can be put in the order in
// which they were done. It stands alone on its cache lines.
var completions struct {
	_ [64]byte
	n atomic.Uint64
	_ [56]byte
}

func (t *Task) rest() *taskRest { return t.typed.rest() }

// Accept makes h the task's host. An executor calls it before anything else, and
// before another goroutine can see the task.
func (t *Task) Accept(h Host) { t.rest().host = h }

// Host returns what Accept was given, nil before.
func (t *Task) Host() Host { return t.rest().host }

// Key returns what tells the task's function from others.
func (t *Task) Key() FunctionKey { return t.typed.key() }

// Name returns the name under which the function was registered, or else the
// name of the function in its source.
func (t *Task) Name() string { return t.typed.key().Name() }

// Definition returns what is known of a registered function, nil for a closure.
func (t *Task) Definition() *Definition { return t.typed.definition() }

// Handle returns the future.
func (t *Task) Handle() Handle { return t.typed.handle() }

// Input returns a pointer to the argument of a registered function, nil for a
// closure.
func (t *Task) Input() any { return t.typed.input() }

// Output returns a pointer to the place of the value. The owner may write there
// before it calls Succeed.
func (t *Task) Output() any { return t.typed.output() }

// Priority returns what the Priority option set, 0 by default.
func (t *Task) Priority() int { return t.settings().priority }

// Labels returns what the Label option set, in that order. It must not be changed.
func (t *Task) Labels() []Tag { return t.settings().labels }

// Timeout returns the bound on one attempt, 0 for none.
func (t *Task) Timeout() time.Duration { return t.settings().timeout }

// Delay returns how long after Submit the task is to be queued, 0 for at once.
func (t *Task) Delay() time.Duration { return t.settings().delay }

// Retry returns the policy that the Retry option set, and whether it did.
func (t *Task) Retry() (RetryPolicy, bool) {
	if r := t.settings().retry; r != nil {
		return *r, true
	}
	return RetryPolicy{}, false
}

// Attempt returns how often the task has been started.
func (t *Task) Attempt() int {
	if x := t.extended(); x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.attempt > 0 {
			return x.attempt
		}
	}
	if t.phase.Load()&flagStarted == 0 {
		return 0
	}
	return 1
}

// AttemptErr returns the error of the last attempt that another one followed, or
// will follow.
func (t *Task) AttemptErr() error {
	x := t.extended()
	if x == nil {
		return nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lastErr
}

// Worker returns the number that Start was given.
func (t *Task) Worker() int { return int(t.worker) }

// Context returns the task's own context: it ends when the task is cancelled,
// when the context given to Submit ends, and when the task has run.
func (t *Task) Context() context.Context { return (*taskContext)(t) }

// CurrentTask returns the task that ctx was given to, nil if ctx is not a task's
// context nor made from one.
func CurrentTask(ctx context.Context) *Task {
	t, _ := ctx.Value(taskKey{}).(*Task)
	return t
}

// State returns where the task stands.
func (t *Task) State() State {
	switch phase := t.phase.Load(); {
	case phase&phaseMask == phaseDone:
		return State(phase >> outcomeShift & 0xff)
	case phase&flagStarted != 0:
		return Running
	}
	if host := t.fetching(); host != nil {
		host.Refresh(t)
		if phase := t.phase.Load(); phase&phaseMask == phaseDone {
			return State(phase >> outcomeShift & 0xff)
		} else if phase&flagStarted != 0 {
			return Running
		}
	}
	return Pending
}

// Pending reports whether the task has neither been started nor resolved, as far as
// this program knows: unlike State it does not ask a FetchingHost.
func (t *Task) Pending() bool { return t.phase.Load()&phaseMask == phasePending }

// Resolved reports whether the outcome is known to this program.
func (t *Task) Resolved() bool { return t.resolved() }

// resolved reports whether the outcome is published; if so, everything the
// resolver wrote is visible.
func (t *Task) resolved() bool { return t.phase.Load()&phaseMask == phaseDone }

// Outcome returns, to the owner only, what Publish will make of the task once
// Call has staged it; before that it is Pending.
func (t *Task) Outcome() State { return State(t.order) }

// Err returns the error of a resolved task, nil before, without counting as
// somebody's look at it.
func (t *Task) Err() error {
	switch t.State() {
	case Failed, Cancelled:
		return t.rest().err
	default:
		return nil
	}
}

// Observed reports whether somebody has asked for the outcome: by Result,
// TryResult, Err or a callback.
func (t *Task) Observed() bool { return t.phase.Load()&flagObserved != 0 }

func (t *Task) observe() {
	if !t.Observed() {
		t.phase.Or(flagObserved)
	}
}

// Waiting reports whether the task's function waits for another future, or for
// room in a queue, and has given its slot back.
func (t *Task) Waiting() bool {
	x := t.extended()
	if x == nil {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.blocks > 0 || x.resuming.Load() > 0
}

// String describes the task for logs: name and state.
func (t *Task) String() string { return fmt.Sprintf("%s [%v]", t.Name(), t.State()) }

func entryOf(fn any) uintptr { return reflect.ValueOf(fn).Pointer() }
