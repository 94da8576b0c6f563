package ipc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/wake"
)

// Cond is a condition between processes: a place where goroutines that have a Mutex sleep
// until another that has it tells that something has changed. It travels with its mutex.
//
// Each notification wakes exactly one of those who sleep at that time, in the order in which
// they came; those in excess are forgotten. Whoever gives up, or dies before he has the mutex
// again, leaves his notification to the next (L5). At most 4096 sleep at a time.
//
// All methods may be called together. In Python: multiprocessing.Condition with a Lock.
type Cond struct{ handle[condCore] }

// What is in the memory of a Cond is written by who has the mutex, but for the words of a
// sleeper, which the warden sets to zero when he has died.
const (
	condMutex   = 0  // the mutex: generation << 32 | index; by its creator
	condOwn     = 8  // 1: the mutex was made for it
	condTickets = 64 // how many ever slept: the next one's ticket
	condGranted = 72 // how many of the sleepers may wake, those who came first
	condHorizon = 80 // but only those with a ticket before this one
	condMark    = 88 // sleepers have places below this
	condPlaces  = 128
	condPlace   = 24 // bytes of a place
	placeWho    = 0  // owner, and above it 1: being taken, 2: he sleeps, 0: nobody
	placeTicket = 8  // published by placeWho
	placeSet    = 16 // wait set of this one sleeper
	condMost    = 4096
	condSize    = condPlaces + condMost*condPlace

	placeTaking   = 1 << 32
	placeSleeping = 2 << 32
)

// firstTicket is the first sleeper's ticket; tests begin near the wrap-around.
var firstTicket atomic.Uint64

var condKind = family.Kind{
	Name: "Cond",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < condSize {
			return
		}
		for place := range condMarked(o) {
			who := o.Word(condPlaces + place*condPlace + placeWho)
			if word := who.Load(); uint32(word) == dead.Owner {
				who.CompareAndSwap(word, 0)
			}
		}
		wake.Fence()
		for place := range condMarked(o) { // those behind the dead one have moved up
			o.WaitSet(condPlaces + place*condPlace + placeSet).Bury(dead)
		}
	},
	Wake: func(o *family.Object) {
		if o.Size() < condSize {
			return
		}
		for place := range condMarked(o) {
			o.WaitSet(condPlaces + place*condPlace + placeSet).WakeAll()
		}
	},
}

// condMarked returns the mark, checked.
func condMarked(o *family.Object) int { return int(min(o.Word(condMark).Load(), condMost)) }

type condCore struct {
	o       *family.Object
	mutex   *mutexCore
	tickets *atomic.Uint64
	granted *atomic.Uint64
	horizon *atomic.Uint64
	mark    *atomic.Uint64
	polls   *polling
}

// condCoreOf makes the core, with the mutex of the object.
func condCoreOf(o *family.Object, mutex *mutexCore) *condCore {
	return o.Local(func(o *family.Object) any {
		return &condCore{
			o: o, mutex: mutex, tickets: o.Word(condTickets), granted: o.Word(condGranted),
			horizon: o.Word(condHorizon), mark: o.Word(condMark), polls: newPolling(),
		}
	}).(*condCore)
}

// NewCond makes a condition for a mutex, or for one of its own if m is nil.
func NewCond(m *Mutex) (*Cond, error) {
	own := m == nil
	if own {
		var err error
		if m, err = NewMutex(); err != nil {
			return nil, err
		}
	}
	mutex, err := m.get()
	if err != nil {
		return nil, fail("NewCond", err)
	}
	ref := mutex.o.Ref()
	o, err := mutex.o.Family().Create(kindCond, condSize, 0, func(o *family.Object) {
		o.Word(condMutex).Store(uint64(ref.Generation)<<32 | uint64(ref.Index))
		if own {
			o.Word(condOwn).Store(1)
		}
		o.Word(condTickets).Store(firstTicket.Load())
		o.Word(condHorizon).Store(firstTicket.Load())
	})
	if err != nil {
		if own {
			_ = m.Close()
		}
		return nil, fail("NewCond", err)
	}
	c := new(Cond)
	c.core.Store(condCoreOf(o, mutex))
	return c, nil
}

// Mutex returns the mutex of the condition; that of a closed one is closed.
func (c *Cond) Mutex() *Mutex {
	m := new(Mutex)
	if core := c.core.Load(); core != nil {
		m.core.Store(core.mutex)
	}
	return m
}

// locked returns the core if this process has the mutex.
func (c *Cond) locked() (*condCore, error) {
	core, err := c.get()
	switch {
	case err != nil:
	case core.o.Closed():
		err = ErrClosed
	case !core.mutex.lock.Mine():
		err = ErrNotLocked
	}
	return core, err
}

// Wait frees the mutex, sleeps until it is notified or ctx ends, and takes the mutex again,
// however long that takes. It returns nil when it was notified.
//
// The error wraps the cause of ctx's end; ErrClosed if the condition is closed; ErrNotLocked
// if this process does not have the mutex; ErrFull if too many sleep. The mutex is locked in
// any case, as it was before, unless it is closed itself: then the error wraps ErrClosed. If the mutex's last
// owner died with it, the error wraps ErrOwnerDied, beside another one or alone: alone it says
// that Wait was notified.
func (c *Cond) Wait(ctx context.Context) error {
	core, err := c.locked()
	if err == nil {
		err = core.wait(ctx)
	}
	runtime.KeepAlive(core)
	return fail("Cond.Wait", err)
}

// WaitFor waits, and again, until pred returns true; pred is called with the mutex. When
// ctx has ended, pred is asked once more. Errors are those of Wait; also with ErrOwnerDied
// WaitFor returns, since pred may be misled.
func (c *Cond) WaitFor(ctx context.Context, pred func() bool) error {
	core, err := c.locked()
	for err == nil && !pred() {
		err = core.wait(ctx)
		if err != nil && ctx.Err() != nil && core.mutex.lock.Mine() && !errors.Is(err, ErrOwnerDied) && pred() {
			err = nil
			break
		}
	}
	runtime.KeepAlive(core)
	return fail("Cond.WaitFor", err)
}

// Notify wakes n of those who sleep, or all if there are fewer. The error wraps ErrNotLocked if
// this process does not have the mutex, or ErrClosed.
func (c *Cond) Notify(n int) error {
	core, err := c.locked()
	if err == nil && n > 0 {
		core.notify(uint64(n))
	}
	runtime.KeepAlive(core)
	return fail("Cond.Notify", err)
}

// NotifyAll wakes all who sleep. Errors are those of Notify.
func (c *Cond) NotifyAll() error {
	core, err := c.locked()
	if err == nil {
		core.notify(math.MaxInt64)
	}
	runtime.KeepAlive(core)
	return fail("Cond.NotifyAll", err)
}

// sleeper is one who sleeps, at his place.
type sleeper struct {
	core   *condCore
	place  int
	ticket uint64
	who    *atomic.Uint64
	set    family.WaitSet
}

func (c *condCore) word(place, off int) *atomic.Uint64 {
	return c.o.Word(condPlaces + place*condPlace + off)
}

// sleeping returns the ticket of who sleeps at a place.
func (c *condCore) sleeping(place int) (ticket uint64, ok bool) {
	if c.word(place, placeWho).Load()&placeSleeping == 0 {
		return 0, false
	}
	return c.word(place, placeTicket).Load(), true
}

// enlist takes a place. The caller has the mutex.
func (c *condCore) enlist() (s sleeper, err error) {
	// A notification whose sleepers have all died is not for one who comes now.
	if granted := c.granted.Load(); granted > 0 {
		c.granted.Store(min(granted, uint64(c.sleepers())))
	}
	me := uint64(c.o.Owner())
	for place := range condMost {
		who := c.word(place, placeWho)
		if who.Load() != 0 {
			continue
		}
		if c.mark.Load() <= uint64(place) {
			c.mark.Store(uint64(place) + 1)
		}
		if !who.CompareAndSwap(0, me|placeTaking) {
			continue
		}
		s := sleeper{c, place, c.tickets.Add(1) - 1, who, c.o.WaitSet(condPlaces + place*condPlace + placeSet)}
		c.word(place, placeTicket).Store(s.ticket)
		who.Store(me | placeSleeping)
		return s, nil
	}
	return s, fmt.Errorf("%w: %d sleep", ErrFull, condMost)
}

// sleepers returns how many sleep, or have slept and do not have the mutex yet.
func (c *condCore) sleepers() (n int) {
	for place := range condMarked(c.o) {
		if _, ok := c.sleeping(place); ok {
			n++
		}
	}
	return n
}

// mayWake reports whether a sleeper was notified: whether he is among the first who came, as
// many of them as notifications are left (L5). Once true it stays true, until he leaves.
//
// Without the mutex it may be true by mistake, but not false: who leaves gives up
// his place first, and counts his notification afterwards.
func (s *sleeper) mayWake() bool {
	c := s.core
	for {
		granted := c.granted.Load()
		if granted == 0 || int64(s.ticket-c.horizon.Load()) >= 0 {
			return false
		}
		before := uint64(0)
		for place := range condMarked(c.o) {
			if ticket, ok := c.sleeping(place); ok && int64(ticket-s.ticket) < 0 {
				before++
			}
		}
		if c.granted.Load() == granted {
			return before < granted
		}
	}
}

// leave gives the place up.
func (s *sleeper) leave() { s.who.Store(0) }

// lower lowers the mark to the last place that is taken. The caller has the mutex.
func (c *condCore) lower() {
	for mark := condMarked(c.o); mark > 0 && c.word(mark-1, placeWho).Load() == 0; mark-- {
		c.mark.Store(uint64(mark) - 1)
	}
}

func (c *condCore) wait(ctx context.Context) error {
	s, err := c.enlist()
	if err != nil {
		return err
	}
	over := func() bool { return s.mayWake() || c.o.Closed() }
	for {
		assert.Reach("going to sleep")
		if err := c.mutex.lock.Unlock(); err != nil {
			s.leave()
			return err // somebody here has unlocked it meanwhile, which is misuse
		}
		var ended error
		if !c.polls.until(over) {
			ended = s.set.Wait(ctx, over, nil)
		}
		assert.Reach("awake, without the mutex")
		suspect, err := c.mutex.lock.Lock(context.Background())
		if err != nil {
			s.leave()
			return err
		}
		woken := s.mayWake()
		if !woken && ended == nil && !c.o.Closed() {
			continue // a mistake
		}
		s.leave()
		assert.Reach("left, notification not counted")
		if woken {
			if granted := c.granted.Load(); granted > 0 {
				c.granted.Store(granted - 1)
			}
			ended = nil
		} else if ended == nil {
			ended = ErrClosed
		}
		c.lower()
		if suspect {
			ended = errors.Join(ErrOwnerDied, ended)
		}
		return ended
	}
}

// notify lets n more sleepers wake. The caller has the mutex.
func (c *condCore) notify(n uint64) {
	type place struct {
		number int
		ticket uint64
	}
	var all []place
	for number := range condMarked(c.o) {
		if ticket, ok := c.sleeping(number); ok {
			all = append(all, place{number, ticket})
		}
	}
	before := min(c.granted.Load(), uint64(len(all)))
	after := min(before+n, uint64(len(all)))
	if len(all) > 1 {
		next := c.tickets.Load() // all are before this one, also around the wrap
		slices.SortFunc(all, func(a, b place) int { return cmp.Compare(int64(a.ticket-next), int64(b.ticket-next)) })
	}
	c.horizon.Store(c.tickets.Load())
	assert.Reach("notifying")
	c.granted.Store(after)
	assert.Reach("notified, nobody woken")
	for _, p := range all[before:after] {
		c.o.WaitSet(condPlaces + p.number*condPlace + placeSet).WakeOne()
	}
}

// Sleepers returns how many sleep now.
func (c *Cond) Sleepers() int {
	core := c.core.Load()
	if core == nil {
		return 0
	}
	n := core.sleepers()
	runtime.KeepAlive(core)
	return n
}

// Close ends the condition for all processes: who sleeps gets ErrClosed. A mutex that NewCond
// was given stays; one that it made is closed too. Who closes a mutex himself closes its
// conditions before, since nobody can be notified without it. A second Close does nothing.
func (c *Cond) Close() error {
	if core := c.core.Swap(nil); core != nil {
		core.o.Close()
		if core.o.Word(condOwn).Load() == 1 {
			core.mutex.o.Close()
		}
		runtime.KeepAlive(core)
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (c *Cond) MarshalCBOR() ([]byte, error) {
	core, err := c.get()
	if err != nil {
		return nil, fail("encoding a Cond", errUnset)
	}
	defer runtime.KeepAlive(core)
	return appendHandle(nil, core.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (c *Cond) UnmarshalCBOR(data []byte) error {
	o, err := openSized(data, kindCond, condSize)
	if err != nil {
		return fail("decoding a Cond", err)
	}
	word := o.Word(condMutex).Load()
	mutex, err := o.Family().Open(family.Ref{
		Family: o.Ref().Family, Kind: kindMutex, Index: uint32(word), Generation: uint32(word >> 32),
	})
	if err == nil && mutex.Size() < mutexSize {
		err = fmt.Errorf("%w: a mutex of %d bytes", ErrCorrupt, mutex.Size())
	}
	if err != nil {
		return fail("decoding a Cond", err)
	}
	c.core.Store(condCoreOf(o, mutexCoreOf(mutex)))
	return nil
}
