package ipc

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
)

// Barrier is where a number of parties, in any processes, wait for each other: when the last
// one has come, all go on, and the next round begins.
//
// If one gives up (the end of its context) or its process dies while it waits, the barrier
// breaks: all who wait and all who come get ErrBrokenBarrier, until Reset.
//
// All methods may be called together. In Python: multiprocessing.Barrier.
type Barrier struct {
	handle[barrierCore]
	action atomic.Pointer[func() error]
}

// BarrierOptions configure a barrier.
type BarrierOptions struct {
	// Parties is how many wait for each other, 1 to 65535. There is no default.
	Parties int

	// Timeout is after which time a Wait gives up, and breaks the barrier, if its context does
	// not end before. The default is never.
	Timeout time.Duration

	// Action is what SetAction is given, for this handle.
	Action func() error
}

const (
	barrierParties = 0   // by its creator
	barrierTimeout = 8   // nanoseconds, by its creator
	barrierLock    = 64  // of arrivals
	barrierState   = 128 // round << 1 | broken
	barrierSet     = 192 // wait set
	barrierBreaks  = 256 // how often it was reset after it broke; by who has the lock
	barrierLog     = 264 // the rounds that ended so, the last ones; likewise
	barrierLogged  = 64
	barrierShares  = 832 // for each member: round << 16 | how many of its have come; by itself
	barrierShare   = 8
	barrierSize    = barrierShares + family.MaxMembers*barrierShare

	mostParties = 1<<16 - 1
	roundMask   = 1<<48 - 1
)

// firstRound is the number of the first round of new barriers, and firstBreak that of breaks;
// tests begin near the wrap-around.
var firstRound, firstBreak atomic.Uint64

var barrierKind = family.Kind{
	Name: "Barrier",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < barrierSize {
			return
		}
		// If a party of the dead process waits in this round, the round breaks (L6). That
		// is so again when this is done again: if it has ended meanwhile, the round is
		// another.
		share := o.Word(barrierShares + dead.Number*barrierShare).Load()
		if share&mostParties != 0 {
			breakRound(o.Word(barrierState), share>>16)
		}
		l := o.LockAt(barrierLock)
		l.Bury(dead, false)
		o.WaitSet(barrierSet).Bury(dead)
	},
	Wake: func(o *family.Object) { o.WaitSet(barrierSet).WakeAll() },
}

// breakRound breaks a round if it lasts, and reports whether it did. This and the end of the
// round exclude each other, because each is a compare-and-swap of the same word.
func breakRound(state *atomic.Uint64, round uint64) bool {
	return state.CompareAndSwap(round<<1, round<<1|1)
}

type barrierCore struct {
	o       *family.Object
	parties int
	timeout time.Duration
	lock    family.Lock
	state   *atomic.Uint64
	set     family.WaitSet
	breaks  *atomic.Uint64
	own     *atomic.Uint64 // share of this process
	polls   *polling
}

func barrierCoreOf(o *family.Object) *barrierCore {
	return o.Local(func(o *family.Object) any {
		return &barrierCore{
			o: o, parties: int(o.Word(barrierParties).Load()), timeout: time.Duration(o.Word(barrierTimeout).Load()),
			lock: o.LockAt(barrierLock), state: o.Word(barrierState), set: o.WaitSet(barrierSet),
			breaks: o.Word(barrierBreaks), own: o.Word(barrierShares + o.Number()*barrierShare), polls: newPolling(),
		}
	}).(*barrierCore)
}

// NewBarrier makes a barrier.
func NewBarrier(opts BarrierOptions) (*Barrier, error) {
	switch {
	case opts.Parties < 1 || opts.Parties > mostParties:
		return nil, fail("NewBarrier", fmt.Errorf("%d Parties, want 1 to %d", opts.Parties, mostParties))
	case opts.Timeout < 0:
		return nil, fail("NewBarrier", fmt.Errorf("negative Timeout %v", opts.Timeout))
	}
	o, err := create(kindBarrier, barrierSize, 0, func(o *family.Object) {
		o.Word(barrierParties).Store(uint64(opts.Parties))
		o.Word(barrierTimeout).Store(uint64(opts.Timeout))
		o.Word(barrierState).Store((firstRound.Load() & roundMask) << 1)
		o.Word(barrierBreaks).Store(firstBreak.Load())
	})
	if err != nil {
		return nil, fail("NewBarrier", err)
	}
	b := new(Barrier)
	b.core.Store(barrierCoreOf(o))
	b.SetAction(opts.Action)
	return b, nil
}

// SetAction sets what this handle does once in each round in which the last party to come has
// come through it, before any party goes on. Functions do not travel: each process that
// is to act, whoever comes last, gives the action to the handle it has. Nil is none.
//
// If the action returns an error or panics, the barrier breaks, and Wait of that party
// returns the error or panics.
func (b *Barrier) SetAction(action func() error) {
	if action == nil {
		b.action.Store(nil)
		return
	}
	b.action.Store(&action)
}

// open returns the core of a barrier that is not closed.
func (b *Barrier) open() (*barrierCore, error) {
	c, err := b.get()
	if err == nil && c.o.Closed() {
		return nil, ErrClosed
	}
	return c, err
}

// Wait waits until all parties have come. It returns the number of this one, in the order of
// arrival from 0: each is another, so that the one with 0 can do what is to be done once.
//
// If ctx or the barrier's Timeout ends first, the barrier breaks, for all, and the error
// wraps ErrBrokenBarrier and the cause. It wraps ErrBrokenBarrier, too, if another party has
// broken it, its process has died, or somebody has called Abort or Reset; and ErrClosed if the
// barrier was closed.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	c, err := b.open()
	if err == nil {
		var action func() error
		if a := b.action.Load(); a != nil {
			action = *a
		}
		index, err = c.wait(ctx, action)
	}
	runtime.KeepAlive(c)
	return index, fail("Barrier.Wait", err)
}

func (c *barrierCore) wait(ctx context.Context, action func() error) (int, error) {
	if c.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	for {
		a, err := c.arrive(ctx)
		switch {
		case err != nil:
			return 0, err
		case a.index == c.parties: // one too many: a party acts
			over := c.over(a.round)
			if err := c.set.Wait(ctx, over, always); err != nil {
				return 0, err
			}
		case a.index == c.parties-1:
			return a.index, c.complete(a.round, action)
		default:
			return a.index, c.await(ctx, a)
		}
	}
}

// arrival is that of a party.
type arrival struct {
	round  uint64
	index  int    // how many have come before
	breaks uint64 // at that time
}

// arrive counts a party in.
func (c *barrierCore) arrive(ctx context.Context) (a arrival, err error) {
	if _, err := c.lock.Lock(ctx); err != nil {
		breakRound(c.state, c.state.Load()>>1)
		c.set.WakeAll()
		return a, fmt.Errorf("%w: %w", ErrBrokenBarrier, err)
	}
	state := c.state.Load()
	a.round, a.breaks = state>>1, c.breaks.Load()
	switch a.index = c.arrived(a.round); {
	case c.o.Closed():
		err = ErrClosed
	case state&1 == 1:
		err = ErrBrokenBarrier
	case a.index < c.parties:
		share := c.own.Load()
		if share>>16 != a.round {
			share = a.round << 16
		}
		c.own.Store(share + 1)
		assert.Reach("arrived, lock not freed")
	}
	_ = c.lock.Unlock() // it is ours, unless the memory is corrupt
	return a, err
}

// arrived returns how many have come in a round.
func (c *barrierCore) arrived(round uint64) (n int) {
	for number := range c.o.Marked() {
		if share := c.o.Word(barrierShares + number*barrierShare).Load(); share>>16 == round {
			n += int(share & mostParties)
		}
	}
	return n
}

// over returns a function that reports whether a round is over.
func (c *barrierCore) over(round uint64) func() bool {
	return func() bool { return c.state.Load() != round<<1 || c.o.Closed() }
}

// complete ends a round, as the last party to come.
func (c *barrierCore) complete(round uint64, action func() error) error {
	if action != nil {
		if err := c.act(round, action); err != nil {
			return err
		}
	}
	assert.Reach("complete, not released")
	c.o.Region().Publishing(c.o.Offset() + barrierState)
	if !c.state.CompareAndSwap(round<<1, (round+1)&roundMask<<1) {
		return ErrBrokenBarrier
	}
	assert.Reach("released, nobody woken")
	c.set.WakeAll()
	return nil
}

// act calls the action. The round breaks unless it returns nil, also when it panics.
func (c *barrierCore) act(round uint64, action func() error) (err error) {
	done := false
	defer func() {
		if !done || err != nil {
			breakRound(c.state, round)
			c.set.WakeAll()
		}
	}()
	err = action()
	done = true
	return err
}

// await waits for the end of a round.
func (c *barrierCore) await(ctx context.Context, a arrival) error {
	over := c.over(a.round)
	if !c.polls.until(over) {
		if err := c.set.Wait(ctx, over, always); err != nil && breakRound(c.state, a.round) {
			assert.Reach("broken, nobody woken")
			c.set.WakeAll()
			return fmt.Errorf("%w: %w", ErrBrokenBarrier, err)
		}
	}
	if c.state.Load() == a.round<<1 {
		return ErrClosed
	}
	if c.broke(a) {
		return ErrBrokenBarrier
	}
	c.o.Region().Observed(c.o.Offset() + barrierState)
	return nil
}

// broke reports of a round that is over whether it ended by breaking. Who has looked away for
// so long that it is not known any more hears that it did.
func (c *barrierCore) broke(a arrival) bool {
	if c.state.Load()>>1 == a.round {
		return true
	}
	now := c.breaks.Load() // the log was written before the next round began
	for i := a.breaks; i != now && now-a.breaks < barrierLogged; i++ {
		if c.logged(i).Load() == a.round {
			return true
		}
	}
	return c.breaks.Load()-a.breaks >= barrierLogged
}

func (c *barrierCore) logged(i uint64) *atomic.Uint64 {
	return c.o.Word(barrierLog + int(i%barrierLogged)*8)
}

// Abort breaks the barrier: all who wait get ErrBrokenBarrier, and all who come, until Reset.
// The error wraps ErrClosed.
func (b *Barrier) Abort() error {
	c, err := b.open()
	if err == nil {
		for {
			state := c.state.Load()
			if state&1 == 1 || breakRound(c.state, state>>1) {
				break
			}
		}
		c.set.WakeAll()
	}
	runtime.KeepAlive(c)
	return fail("Barrier.Abort", err)
}

// Reset makes the barrier as new: those who wait get ErrBrokenBarrier. The error wraps
// ErrClosed.
func (b *Barrier) Reset() error {
	c, err := b.open()
	if err == nil {
		err = c.reset()
	}
	runtime.KeepAlive(c)
	return fail("Barrier.Reset", err)
}

func (c *barrierCore) reset() error {
	if _, err := c.lock.Lock(context.Background()); err != nil {
		return err
	}
	for {
		state := c.state.Load()
		round := state >> 1
		if state&1 == 0 {
			if c.arrived(round) == 0 {
				break // nobody waits
			}
			if !breakRound(c.state, round) {
				continue
			}
		}
		// Who dies between these leaves a broken round, which may be in the log twice.
		breaks := c.breaks.Load()
		c.logged(breaks).Store(round)
		assert.Reach("logged, not reset")
		c.breaks.Store(breaks + 1)
		c.state.Store((round + 1) & roundMask << 1) // nobody else ends a broken round
		assert.Reach("reset, nobody woken")
		break
	}
	_ = c.lock.Unlock()
	c.set.WakeAll()
	return nil
}

// Broken reports whether the barrier is broken.
func (b *Barrier) Broken() bool {
	c, err := b.open()
	broken := err == nil && c.state.Load()&1 == 1
	runtime.KeepAlive(c)
	return broken
}

// Parties returns how many wait for each other, 0 if the barrier is closed.
func (b *Barrier) Parties() int {
	c, err := b.open()
	if err != nil {
		return 0
	}
	return c.parties
}

// Waiting returns how many wait now. In Python: n_waiting.
func (b *Barrier) Waiting() int {
	c, err := b.open()
	if err != nil {
		return 0
	}
	defer runtime.KeepAlive(c)
	state := c.state.Load()
	if state&1 == 1 {
		return 0
	}
	return c.arrived(state >> 1)
}

// String tells how many wait, and whether the barrier is broken.
func (b *Barrier) String() string {
	if b.Broken() {
		return "Barrier(broken)"
	}
	return fmt.Sprintf("Barrier(%d of %d)", b.Waiting(), b.Parties())
}

// Close ends the barrier for all processes: who waits gets ErrClosed. A second Close does
// nothing.
func (b *Barrier) Close() error {
	if c := b.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation. The action
// stays behind.
func (b *Barrier) MarshalCBOR() ([]byte, error) {
	c, err := b.get()
	if err != nil {
		return nil, fail("encoding a Barrier", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (b *Barrier) UnmarshalCBOR(data []byte) error {
	o, err := openSized(data, kindBarrier, barrierSize)
	if err == nil {
		if n := o.Word(barrierParties).Load(); n < 1 || n > mostParties {
			err = fmt.Errorf("%w: a barrier of %d parties", ErrCorrupt, n)
		}
	}
	if err != nil {
		return fail("decoding a Barrier", err)
	}
	b.core.Store(barrierCoreOf(o))
	return nil
}
