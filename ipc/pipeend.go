package ipc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"syscall"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
)

// The object of an end. It is there for its life: an end is gone when no process has it, and
// then both rings are closed. LAYOUT.md describes its words, which are written by its creator
// but for the tickets; those are in transit.go.
const (
	endRaw    = 0
	endIn     = 8  // the ring it receives from: generation << 32 | index+1, 0 for none
	endOut    = 16 // likewise the one it sends to
	endIssued = 24 // counts tickets
	endSize   = endTickets + mostInTransit*8
)

var pipeEndKind = family.Kind{
	Name: "PipeEnd",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < endSize {
			return
		}
		if o.Closed() {
			closeRings(o) // who closed it may have died over that
		}
		orphanTickets(o, dead)
	},
	Wake: closeRings,
	Dropped: func(o *family.Object) {
		if o.Size() >= endSize && !o.Closed() && endGone(o) {
			assert.Reach("end gone, not closed")
			o.Close()
		}
	},
}

// closeRings tells the other end that this one is gone: what it receives from has no sender
// any more, and what it sends to has no receiver.
func closeRings(o *family.Object) {
	if o.Size() < endSize {
		return
	}
	assert.Reach("end closed, rings not")
	// A ring that is not there any more was closed.
	if ref, ok := ringOf(o, endIn); ok {
		_ = o.Beside(ref, func(ring *family.Object) {
			if ring.Size() >= pipeData {
				ring.Word32(pipeUnread).Store(1)
			}
			ring.Close()
			wakePipe(ring) // also if the other end had closed it
		})
	}
	if ref, ok := ringOf(o, endOut); ok {
		_ = o.Beside(ref, func(ring *family.Object) { ring.Close() })
	}
}

// ringOf returns the name of a ring of the end.
func ringOf(o *family.Object, off int) (ref family.Ref, ok bool) {
	word := o.Word(off).Load()
	return family.Ref{Family: o.Ref().Family, Index: uint32(word) - 1, Generation: uint32(word >> 32), Kind: kindPipe}, word != 0
}

// endCore is one handle of an end. Each has one of its own, so that it can let go of the end
// at once when it is closed, which other handles in this process do not do.
type endCore struct {
	o               *family.Object // of this handle alone, like those of the rings
	in, out         *pipeRing      // nil for the wrong direction, and for a ring that is gone
	receives, sends bool

	// ops counts the calls that are inside. Close adds closing, which makes it negative
	// and keeps others out; whoever leaves last lets go (PI3).
	ops    atomic.Int32
	closed context.Context // ends with Close, whose cause is ErrClosed
	close  context.CancelCauseFunc

	cleanup runtime.Cleanup // lets go of a handle that nobody has closed
}

const closing = -1 << 31

// openEnd returns a handle of an end, whose object is the caller's alone.
func openEnd(o *family.Object, raw bool) (c *endCore, err error) {
	c = &endCore{o: o}
	if o.Size() < endSize {
		return nil, fmt.Errorf("%w: an end of a pipe of %d bytes", ErrCorrupt, o.Size())
	}
	if isRaw := o.Word(endRaw).Load() == 1; isRaw != raw {
		return nil, fmt.Errorf("%w: one side has bytes, the other has values", ErrMismatch)
	}
	if c.in, c.receives, err = openRingOf(o, endIn, raw); err != nil {
		return nil, err
	}
	if c.out, c.sends, err = openRingOf(o, endOut, raw); err != nil {
		if c.in != nil {
			c.in.leave()
		}
		return nil, err
	}
	c.closed, c.close = context.WithCancelCause(context.Background())
	parts := endParts{c.in, c.out, c.o}
	// In a goroutine, since it may wait for locks.
	c.cleanup = runtime.AddCleanup(c, func(parts endParts) { go parts.release() }, parts)
	return c, nil
}

func openRingOf(o *family.Object, off int, raw bool) (r *pipeRing, has bool, err error) {
	ref, has := ringOf(o, off)
	if !has {
		return nil, false, nil
	}
	ring, err := o.Family().OpenApart(ref)
	if errors.Is(err, family.ErrGone) {
		return nil, true, nil // the other end is gone, and all is read
	}
	if err == nil {
		if r, err = openPipeRing(ring, raw); err != nil {
			ring.Release()
		}
	}
	return r, true, err
}

// enter keeps the end until leave, unless the handle is closed.
func (c *endCore) enter() bool {
	for {
		n := c.ops.Load()
		if n < 0 {
			return false
		}
		if c.ops.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *endCore) leave() {
	if c.ops.Add(-1) == closing {
		c.release()
	}
}

// end closes the handle. Calls that wait are told.
func (c *endCore) end() {
	for {
		n := c.ops.Load()
		if n < 0 {
			return
		}
		if c.ops.CompareAndSwap(n, n+1+closing) {
			break
		}
	}
	c.close(ErrClosed)
	c.leave()
}

// release lets go of the end. No goroutine is inside, and none will be.
func (c *endCore) release() {
	c.cleanup.Stop()
	assert.Reach("handle closed, end held")
	endParts{c.in, c.out, c.o}.release()
}

// endParts is what a handle has of the shared memory.
type endParts struct {
	in, out *pipeRing
	o       *family.Object
}

func (p endParts) release() {
	for _, r := range []*pipeRing{p.in, p.out} {
		if r != nil {
			r.leave()
		}
	}
	p.o.Release()
}

// waiting is a call that may have to wait: as long as its ctx lasts and its handle is not
// closed.
type waiting struct {
	ctx  context.Context
	end  *endCore
	both context.Context // made when it is needed
	stop func()
}

func (w *waiting) context() context.Context {
	if w.both == nil {
		if w.ctx.Done() == nil {
			w.both, w.stop = w.end.closed, func() {}
			return w.both
		}
		both, cancel := context.WithCancelCause(w.ctx)
		detach := context.AfterFunc(w.end.closed, func() { cancel(ErrClosed) })
		w.both, w.stop = both, func() {
			detach()
			cancel(nil)
		}
	}
	return w.both
}

func (w *waiting) done() {
	if w.stop != nil {
		w.stop()
	}
}

var errPeerClosed = fmt.Errorf("%w (%w)", ErrPeerClosed, syscall.EPIPE)

// receive is pipeRing.receive of this end's ring. Without an error the caller calls
// received.
func (c *endCore) receive(w *waiting, wait, file bool) (in incoming, err error) {
	if !c.enter() {
		return in, ErrClosed
	}
	switch {
	case !c.receives:
		err = ErrDirection
	case c.o.Closed():
		err = ErrClosed
	case c.in == nil:
		err = io.EOF
	default:
		in, err = c.in.receive(w, wait, file)
		err = c.explain(err, file, false)
	}
	if err != nil {
		w.done()
		c.leave()
	}
	return in, err
}

func (c *endCore) received(w *waiting, in incoming, taken bool) {
	c.in.received(in, taken)
	w.done()
	c.leave()
}

// send is pipeRing.send to this end's ring.
func (c *endCore) send(ctx context.Context, kind byte, message []byte) (count uint32, err error) {
	switch {
	case !c.enter():
		return 0, ErrClosed
	case !c.sends:
		c.leave()
		return 0, ErrDirection
	}
	defer c.leave()
	if c.o.Closed() {
		return 0, ErrClosed
	}
	if c.out == nil {
		return 0, errPeerClosed
	}
	w := waiting{ctx: ctx, end: c}
	defer w.done()
	count, err = c.out.send(&w, kind, message)
	return count, c.explain(err, false, true)
}

// explain puts the error of a ring into words.
func (c *endCore) explain(err error, file, sending bool) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNobody) && c.o.Closed():
		return ErrClosed // CloseAll, of this end
	case errors.Is(err, errOther) && file:
		return fmt.Errorf("%w: a message is next, which Recv takes", ErrMismatch)
	case errors.Is(err, errOther):
		return fmt.Errorf("%w: a file is next, which RecvFile takes", ErrMismatch)
	}
	return endOf(err, sending)
}

// A handle of an end travels as a CBOR byte string of 36 bytes: the 28 of other handles, and
// the ticket, 64 bits.
const endHandleSize = handleSize + 8

func (c *endCore) marshal() ([]byte, error) {
	if !c.enter() {
		return nil, errUnset
	}
	defer c.leave()
	if c.o.Closed() {
		return nil, ErrClosed
	}
	ticket, err := issueTicket(c.o)
	if err != nil {
		return nil, err
	}
	data := appendHandle(make([]byte, 0, handleHead+endHandleSize), c.o.Ref(), 0)
	data[1] = endHandleSize
	return binary.LittleEndian.AppendUint64(data, ticket), nil
}

// parseEnd takes the handle of an end apart.
func parseEnd(data []byte) (ref family.Ref, ticket uint64, err error) {
	if len(data) != handleHead+endHandleSize || data[0] != 0x58 || data[1] != endHandleSize {
		if other, _, err := parseHandle(data); err == nil {
			return ref, 0, fmt.Errorf("%w: a handle of kind %d", ErrMismatch, other.Kind)
		}
		return ref, 0, fmt.Errorf("%w: no handle of an end of a pipe: %d bytes", ErrCorrupt, len(data))
	}
	plain := append([]byte{0x58, handleSize}, data[handleHead:][:handleSize]...)
	ref, part, err := parseHandle(plain)
	switch {
	case err != nil:
	case ref.Kind != kindPipeEnd:
		err = fmt.Errorf("%w: a handle of kind %d", ErrMismatch, ref.Kind)
	case part != 0:
		err = fmt.Errorf("%w: part %d of an end of a pipe", ErrCorrupt, part)
	}
	return ref, binary.LittleEndian.Uint64(data[handleHead+handleSize:]), err
}

func unmarshalEnd(data []byte, raw bool) (*endCore, error) {
	ref, ticket, err := parseEnd(data)
	if err != nil {
		return nil, err
	}
	f, err := family.Find(ref.Family, kinds[:])
	if err != nil {
		return nil, err
	}
	o, err := f.OpenApart(ref)
	if err != nil {
		return nil, err
	}
	if o.Closed() { // and not given back yet: somebody looks at it
		o.Release()
		return nil, fmt.Errorf("%w: %s, closed", ErrGone, pipeEndKind.Name)
	}
	if o.Size() >= endSize {
		assert.Reach("arrived, ticket not cleared")
		clearTicket(o, ticket)
	}
	c, err := openEnd(o, raw)
	if err != nil {
		o.Release()
	}
	return c, err
}

// voidEnd says that an encoded handle will never be decoded. It is for who has encoded it.
func voidEnd(data []byte) {
	ref, ticket, err := parseEnd(data)
	if err != nil {
		return
	}
	if f, err := family.Find(ref.Family, kinds[:]); err == nil {
		if o, err := f.OpenApart(ref); err == nil {
			if o.Size() >= endSize {
				clearTicket(o, ticket)
			}
			o.Release()
		}
	}
}
