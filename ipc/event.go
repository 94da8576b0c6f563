package ipc

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
)

// Event is a flag between processes that can be waited for. Who waits when it is set goes on,
// also if it is cleared before he has looked.
//
// Nobody owns an Event, so nothing of it is lost with a process: what a dead one has set
// stays set.
//
// All methods may be called together. In Python: multiprocessing.Event.
type Event struct{ handle[eventCore] }

const (
	eventState = 0 // bit 0: it is set; above it, how often it was set
	eventSet   = 64
	eventSize  = 128
)

// firstEvent is how often new events count as set, times 2; tests begin near the wrap-around.
var firstEvent atomic.Uint64

var eventKind = family.Kind{
	Name: "Event",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() >= eventSize {
			o.WaitSet(eventSet).Bury(dead)
		}
	},
	Wake: func(o *family.Object) { o.WaitSet(eventSet).WakeAll() },
}

type eventCore struct {
	o     *family.Object
	state *atomic.Uint64
	set   family.WaitSet
	polls *polling
}

func eventCoreOf(o *family.Object) *eventCore {
	return o.Local(func(o *family.Object) any {
		return &eventCore{o: o, state: o.Word(eventState), set: o.WaitSet(eventSet), polls: newPolling()}
	}).(*eventCore)
}

// NewEvent makes an Event that is not set.
func NewEvent() (*Event, error) {
	o, err := create(kindEvent, eventSize, 0, func(o *family.Object) {
		o.Word(eventState).Store(firstEvent.Load() &^ 1)
	})
	if err != nil {
		return nil, fail("NewEvent", err)
	}
	e := new(Event)
	e.core.Store(eventCoreOf(o))
	return e, nil
}

// open returns the core of an Event that is not closed.
func (e *Event) open() (*eventCore, error) {
	c, err := e.get()
	if err == nil && c.o.Closed() {
		return nil, ErrClosed
	}
	return c, err
}

// Set sets the flag and lets all go on who wait. The error wraps ErrClosed.
func (e *Event) Set() error {
	c, err := e.open()
	if err != nil {
		return fail("Event.Set", err)
	}
	c.o.Region().Publishing(c.o.Offset() + eventState)
	for {
		old := c.state.Load()
		if old&1 == 1 {
			break
		}
		if c.state.CompareAndSwap(old, old+3) { // once more, and set
			assert.Reach("event set, nobody woken")
			c.set.WakeAll()
			break
		}
	}
	runtime.KeepAlive(c)
	return nil
}

// Clear clears the flag. The error wraps ErrClosed.
func (e *Event) Clear() error {
	c, err := e.open()
	if err == nil {
		c.state.And(^uint64(1))
	}
	runtime.KeepAlive(c)
	return fail("Event.Clear", err)
}

// IsSet reports whether the flag is set. Of a closed Event it reports false.
func (e *Event) IsSet() bool {
	c, err := e.open()
	if err != nil {
		return false
	}
	set := c.state.Load()&1 == 1
	if set {
		c.o.Region().Observed(c.o.Offset() + eventState)
	}
	runtime.KeepAlive(c)
	return set
}

// Wait waits until the flag is set, as long as ctx lasts; if it is set, ctx does not matter.
// The error wraps the cause of ctx's end, or ErrClosed.
func (e *Event) Wait(ctx context.Context) error {
	c, err := e.open()
	if err != nil {
		return fail("Event.Wait", err)
	}
	defer runtime.KeepAlive(c)
	seen := c.state.Load()
	happened := func() bool { return seen&1 == 1 || c.state.Load() != seen } // once true, always
	over := func() bool { return happened() || c.o.Closed() }
	if !c.polls.until(over) {
		err = c.set.Wait(ctx, over, always)
	}
	switch {
	case happened():
		c.o.Region().Observed(c.o.Offset() + eventState)
		err = nil
	case err == nil:
		err = ErrClosed
	}
	return fail("Event.Wait", err)
}

// String tells whether the flag is set.
func (e *Event) String() string { return fmt.Sprintf("Event(set: %t)", e.IsSet()) }

// Close ends the Event for all processes: who waits for it gets ErrClosed. A second Close does
// nothing.
func (e *Event) Close() error {
	if c := e.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (e *Event) MarshalCBOR() ([]byte, error) {
	c, err := e.get()
	if err != nil {
		return nil, fail("encoding an Event", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (e *Event) UnmarshalCBOR(data []byte) error {
	o, err := openSized(data, kindEvent, eventSize)
	if err != nil {
		return fail("decoding an Event", err)
	}
	e.core.Store(eventCoreOf(o))
	return nil
}

// openSized opens an object that must be of at least that size.
func openSized(data []byte, kind uint8, size int) (*family.Object, error) {
	o, _, err := openHandle(data, kind)
	if err == nil && o.Size() < size {
		return nil, fmt.Errorf("%w: a %s of %d bytes", ErrCorrupt, kinds[kind].Name, o.Size())
	}
	return o, err
}
