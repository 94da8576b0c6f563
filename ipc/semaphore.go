package ipc

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/wake"
)

// Semaphore gives out a number of permits to processes.
//
// A bounded one, which is the default, knows which process has how many: what is to be had
// and what the processes have is always the number it was made with (L3). When a process
// dies, its permits come back. Permits may be released by another process than the one
// that acquired them: Release takes those of its own process first, and then of others that have
// some, which of them is not specified. More than all have together cannot be released.
//
// An unbounded one counts signals: Release may be called by who has acquired nothing, and
// adds to them; who acquires one has used it up. Nobody owns them, so the death of a process
// changes nothing, but that a signal is lost which it was just acquiring.
//
// Who waits is served in the order of arrival, or nearly: the first to wait gets
// its permits before others get any, so that many who want little do not starve one who
// wants much. The others follow without regard for how many they want.
//
// Permits are the process's, not the handle's and not the goroutine's. All methods may be
// called together. In Python: multiprocessing.BoundedSemaphore, and Semaphore if it is
// Unbounded.
type Semaphore struct{ handle[semaphoreCore] }

// SemaphoreOptions configure a semaphore. The zero value is one permit.
type SemaphoreOptions struct {
	// Permits is how many there are to be had at first: at most 2^31-1. The default is 1,
	// but 0 with Unbounded.
	Permits int

	// Unbounded makes Release add permits beyond those that were acquired, as a plain
	// Semaphore in Python does, up to 2^31-1.
	Unbounded bool
}

const (
	semaphorePermits   = 0 // bounded: all there are; unbounded: those that are to be had
	semaphoreUnbounded = 8
	semaphoreLock      = 64  // of what is to be had
	semaphoreGate      = 128 // who waits has it, and the others wait for it
	semaphoreEnough    = 192 // wait set of who has the gate
	semaphoreShares    = 256 // for each member: what it has
	semaphoreShare     = 4
	semaphoreSize      = semaphoreShares + family.MaxMembers*semaphoreShare

	mostPermits = math.MaxInt32
)

var semaphoreKind = family.Kind{
	Name: "Semaphore",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < semaphoreSize {
			return
		}
		// This one store gives back what the dead process had: what is to be had is counted
		// from the shares.
		o.Word32(semaphoreShares + dead.Number*semaphoreShare).Store(0)
		for _, off := range []int{semaphoreLock, semaphoreGate} {
			l := o.LockAt(off)
			l.Bury(dead, false)
		}
		o.WaitSet(semaphoreEnough).Bury(dead)
	},
	Wake: func(o *family.Object) {
		gate := o.LockAt(semaphoreGate)
		gate.Wake()
		o.WaitSet(semaphoreEnough).WakeAll()
	},
}

type semaphoreCore struct {
	o          *family.Object
	lock, gate family.Lock
	enough     family.WaitSet
	permits    *atomic.Uint64
	unbounded  bool
	own        *atomic.Uint32 // share of this process
	spin       wake.Spin      // of who has the gate
}

func semaphoreCoreOf(o *family.Object) *semaphoreCore {
	return o.Local(func(o *family.Object) any {
		c := &semaphoreCore{
			o: o, lock: o.LockAt(semaphoreLock), gate: o.LockAt(semaphoreGate), enough: o.WaitSet(semaphoreEnough),
			permits: o.Word(semaphorePermits), unbounded: o.Word(semaphoreUnbounded).Load() == 1,
			own:  o.Word32(semaphoreShares + o.Number()*semaphoreShare),
			spin: wake.Spin{Max: wake.DefaultSpin, Goroutines: true},
		}
		c.gate.Ended = func() bool { return c.o.Closed() }
		return c
	}).(*semaphoreCore)
}

// NewSemaphore makes a semaphore.
func NewSemaphore(opts SemaphoreOptions) (*Semaphore, error) {
	if opts.Permits < 0 || opts.Permits > mostPermits {
		return nil, fail("NewSemaphore", fmt.Errorf("%d Permits, want 0 to %d", opts.Permits, mostPermits))
	}
	if opts.Permits == 0 && !opts.Unbounded {
		opts.Permits = 1
	}
	o, err := create(kindSemaphore, semaphoreSize, 0, func(o *family.Object) {
		o.Word(semaphorePermits).Store(uint64(opts.Permits))
		if opts.Unbounded {
			o.Word(semaphoreUnbounded).Store(1)
		}
	})
	if err != nil {
		return nil, fail("NewSemaphore", err)
	}
	s := new(Semaphore)
	s.core.Store(semaphoreCoreOf(o))
	return s, nil
}

// Acquire takes n permits, all at once, waiting for them as long as ctx lasts. The error wraps
// the cause of ctx's end, ErrClosed, or ErrTooLarge if a bounded semaphore never has so
// many; then none was taken. Acquire panics if n is negative.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	if n < 0 {
		panic(fmt.Sprintf("ipc: Semaphore.Acquire: %d permits", n))
	}
	c, err := s.get()
	if err != nil {
		return fail("Semaphore.Acquire", err)
	}
	defer runtime.KeepAlive(c)
	if !c.unbounded && uint64(n) > c.permits.Load() || n > mostPermits {
		return fail("Semaphore.Acquire", fmt.Errorf("%w: %d permits of %d", ErrTooLarge, n, c.permits.Load()))
	}
	ok, err := c.take(ctx, int64(n), false)
	if !ok && err == nil {
		err = c.wait(ctx, int64(n))
	}
	return fail("Semaphore.Acquire", err)
}

// TryAcquire takes n permits if they are to be had and nobody waits for any, and reports
// whether it did. Of a closed semaphore it reports false. It panics if n is negative.
func (s *Semaphore) TryAcquire(n int) bool {
	if n < 0 {
		panic(fmt.Sprintf("ipc: Semaphore.TryAcquire: %d permits", n))
	}
	c := s.core.Load()
	if c == nil {
		return false
	}
	ok, _ := c.take(context.Background(), int64(n), false)
	runtime.KeepAlive(c)
	return ok
}

// take takes n permits if they are to be had. Who has the gate is first; others do not pass
// those who wait.
func (c *semaphoreCore) take(ctx context.Context, n int64, first bool) (ok bool, err error) {
	if _, err := c.lock.Lock(ctx); err != nil {
		return false, err
	}
	switch {
	case c.o.Closed():
		err = ErrClosed
	case !first && c.waited():
	case c.available() < n:
	case c.unbounded:
		c.permits.Store(c.permits.Load() - uint64(n))
		ok = true
	default:
		c.own.Store(c.own.Load() + uint32(n))
		ok = true
	}
	assert.Reach("permits taken, lock not freed")
	_ = c.lock.Unlock() // it is ours, unless the memory is corrupt
	return ok, err
}

// waited reports whether somebody waits for permits.
func (c *semaphoreCore) waited() bool {
	owner, _ := c.gate.Owner()
	return owner != 0
}

// available returns how many permits are to be had: exactly so with the lock, else about.
func (c *semaphoreCore) available() int64 {
	n := int64(c.permits.Load())
	if !c.unbounded {
		n -= c.out()
	}
	return n
}

// out returns how many permits of a bounded semaphore the processes have (L3).
func (c *semaphoreCore) out() (n int64) {
	for number := range c.o.Marked() {
		n += int64(c.share(number).Load())
	}
	return n
}

func (c *semaphoreCore) share(number int) *atomic.Uint32 {
	return c.o.Word32(semaphoreShares + number*semaphoreShare)
}

// wait takes n permits when they are to be had, as the first of all (L4).
func (c *semaphoreCore) wait(ctx context.Context, n int64) error {
	if _, err := c.gate.Lock(ctx); err != nil {
		return err
	}
	defer func() { _ = c.gate.Unlock() }()
	assert.Reach("first to wait")
	var ok bool
	var err error
	c.spin.Until(func() bool { return c.available() >= n || c.o.Closed() })
	ended := c.enough.Wait(ctx, func() bool {
		if !ok && err == nil {
			ok, err = c.take(ctx, n, true)
		}
		return ok || err != nil
	}, nil)
	if ended != nil && !ok {
		return ended
	}
	return err
}

// Release gives n permits back. The error wraps ErrTooManyReleased if so many have not been
// acquired, or if there would be more than 2^31-1, and ErrClosed; then none was given back.
// Release panics if n is negative.
func (s *Semaphore) Release(n int) error {
	if n < 0 {
		panic(fmt.Sprintf("ipc: Semaphore.Release: %d permits", n))
	}
	c, err := s.get()
	if err == nil {
		err = c.release(int64(n))
	}
	runtime.KeepAlive(c)
	return fail("Semaphore.Release", err)
}

func (c *semaphoreCore) release(n int64) (err error) {
	if _, err := c.lock.Lock(context.Background()); err != nil {
		return err
	}
	have := int64(c.permits.Load())
	switch {
	case c.o.Closed():
		err = ErrClosed
	case c.unbounded && n > mostPermits-have:
		err = fmt.Errorf("%w: %d, and there are %d", ErrTooManyReleased, n, have)
	case c.unbounded:
		c.permits.Store(uint64(have + n))
	default:
		err = c.giveBack(n)
	}
	assert.Reach("permits given back, lock not freed")
	_ = c.lock.Unlock()
	if err == nil {
		c.enough.WakeOne()
	}
	return err
}

// giveBack takes n permits out of the shares. The caller has the lock.
//
// The permits of this process come last: if it dies in between, they come back anyway.
func (c *semaphoreCore) giveBack(n int64) error {
	if out := c.out(); n > out {
		return fmt.Errorf("%w: %d, and %d are out", ErrTooManyReleased, n, out)
	}
	own := min(n, int64(c.own.Load()))
	rest := n - own
	for number := range c.o.Marked() {
		if rest == 0 {
			break
		}
		share := c.share(number)
		if share == c.own {
			continue
		}
		// Whose share is set to 0 meanwhile has died, and what he had has come back.
		had := share.Load()
		take := min(rest, int64(had))
		if take > 0 && share.CompareAndSwap(had, had-uint32(take)) {
			assert.Reach("permits of others given back")
		}
		rest -= take
	}
	c.own.Store(c.own.Load() - uint32(own))
	return nil
}

// Available returns how many permits are to be had now, 0 if the semaphore is closed.
func (s *Semaphore) Available() int {
	c := s.core.Load()
	if c == nil || c.o.Closed() {
		return 0
	}
	defer runtime.KeepAlive(c)
	if _, err := c.lock.Lock(context.Background()); err != nil {
		return 0
	}
	n := c.available()
	_ = c.lock.Unlock()
	return int(n)
}

// Held returns how many permits this process has, 0 if the semaphore is closed or Unbounded.
func (s *Semaphore) Held() int {
	c := s.core.Load()
	if c == nil || c.o.Closed() {
		return 0
	}
	n := int(c.own.Load())
	runtime.KeepAlive(c)
	return n
}

// String tells how many permits are to be had.
func (s *Semaphore) String() string { return fmt.Sprintf("Semaphore(%d)", s.Available()) }

// Close ends the semaphore for all processes: who waits for it gets ErrClosed. A second Close
// does nothing.
func (s *Semaphore) Close() error {
	if c := s.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (s *Semaphore) MarshalCBOR() ([]byte, error) {
	c, err := s.get()
	if err != nil {
		return nil, fail("encoding a Semaphore", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (s *Semaphore) UnmarshalCBOR(data []byte) error {
	o, err := openSized(data, kindSemaphore, semaphoreSize)
	if err != nil {
		return fail("decoding a Semaphore", err)
	}
	s.core.Store(semaphoreCoreOf(o))
	return nil
}
