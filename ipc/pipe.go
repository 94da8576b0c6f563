package ipc

import (
	"context"
	"fmt"
	"io"
	"math/bits"

	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/shm"
)

// PipeOptions configure a pipe. The zero value is a good default.
type PipeOptions struct {
	// Duplex lets both ends send and receive. By default the first end receives and the
	// second sends. (In Python the default is duplex.)
	Duplex bool

	// Bytes is how much memory there is for messages that were sent and not received, in
	// each direction. It is rounded up to a power of two, and at least a page. A message
	// may be longer: it goes through in pieces. The default is 256 KiB, the most 1 GiB.
	Bytes int
}

const defaultPipeBytes = 256 << 10

// PipeEnd is one end of a pipe: messages that are sent at one end are received at the other,
// in order, each whole and none merged with another. An empty message is a message.
//
// Values travel as arguments of tasks do (see package wire); a []byte travels as it is. Open
// files travel too, by SendFile and SendConn.
//
// # Handles
//
// A PipeEnd is a handle, which can be sent to another process like any handle, and both have
// the end then. Each Close closes one handle. When no process has an end any more, because
// all handles were closed or who had them has died, that end is gone, and the other side is
// told: Recv returns [io.EOF] when all is read, and Send returns an error that wraps
// [ErrPeerClosed] and syscall.EPIPE. There is no signal.
//
// A handle that was encoded and not yet decoded counts: who submits a task with an end can
// close its own handle at once. But if the task is cancelled before it begins, the handle
// never arrives, and the end is never gone by itself. Who must be told in that case keeps a
// handle and calls CloseAll when the task is done:
//
//	f := Work.Submit(ctx, pool, end)
//	f.OnDone(func(*futures.Future[int]) { end.CloseAll() })
//
// When the process that encoded the handle has died, what has not arrived half a minute later
// counts no more. Only the first decoding of an encoded handle is waited for: a second one
// (a task that is retried after its process died) is an error that wraps ErrGone if the end
// is gone by then. At most 4096 handles of one end can be on their way.
//
// # Together
//
// All methods may be called together, by goroutines and by processes that have the same end:
// nothing interleaves, and each message is received once. (In Python that is up to the
// caller.) A process that dies while it sends or receives loses at most that message.
type PipeEnd[T any] struct{ handle[endCore] }

// Pipe makes a pipe and returns its ends: a receives and b sends, or both do both with
// PipeOptions.Duplex. The error wraps errors.ErrUnsupported where there is no shared memory of
// this kind; it says so too if T cannot travel, naming the field, or if the options make no
// sense. In Python: multiprocessing.Pipe.
func Pipe[T any](opts PipeOptions) (a, b *PipeEnd[T], err error) {
	one, two, err := newPipe(checkTravels[T](), opts, isRaw[T]())
	if err != nil {
		return nil, nil, fail("Pipe", err)
	}
	a, b = new(PipeEnd[T]), new(PipeEnd[T])
	a.core.Store(one)
	b.core.Store(two)
	return a, b, nil
}

func newPipe(travels error, opts PipeOptions, raw bool) (a, b *endCore, err error) {
	size := opts.Bytes
	switch {
	case travels != nil:
		return nil, nil, travels
	case size < 0:
		return nil, nil, fmt.Errorf("negative Bytes %d", size)
	case size > mostQueueBytes:
		return nil, nil, fmt.Errorf("%d Bytes, at most %d", size, mostQueueBytes)
	case size == 0:
		size = defaultPipeBytes
	}
	size = 1 << bits.Len(uint(max(size, shm.PageSize())-1))
	f, err := family.Home(kinds[:])
	if err != nil {
		return nil, nil, err
	}
	var made []*family.Object
	defer func() {
		for _, o := range made {
			if err != nil {
				o.Close()
			}
			o.Release()
		}
	}()
	rings := [2]uint64{} // those that a, and that b receive from
	for i := range rings {
		if i == 1 && !opts.Duplex {
			break
		}
		o, err := f.CreateApart(kindPipe, pipeData+size, 0, func(o *family.Object) { initPipeRing(o, size, raw) })
		if err != nil {
			return nil, nil, err
		}
		made = append(made, o)
		rings[i] = uint64(o.Ref().Generation)<<32 | uint64(o.Ref().Index+1)
	}
	ends := [2]*endCore{}
	for i := range ends {
		o, err := f.CreateApart(kindPipeEnd, endSize, 0, func(o *family.Object) {
			if raw {
				o.Word(endRaw).Store(1)
			}
			o.Word(endIn).Store(rings[i])
			o.Word(endOut).Store(rings[1-i])
		})
		if err == nil {
			if ends[i], err = openEnd(o, raw); err != nil {
				o.Release()
			}
		}
		if err != nil {
			if i == 1 {
				ends[0].end()
			}
			return nil, nil, err
		}
	}
	return ends[0], ends[1], nil
}

// Send sends a message, waiting for room as long as ctx lasts. The message is in shared memory
// when Send returns: closing the end, or dying, does not lose it. The error wraps
// ErrPeerClosed and syscall.EPIPE when no process has the other end, ErrClosed, ErrDirection,
// the cause of ctx's end, or says why the value cannot travel; then it is not received, not
// in part either.
func (e *PipeEnd[T]) Send(ctx context.Context, v T) error {
	c, err := e.get()
	if err == nil {
		err = sendValue(ctx, c, &v)
	}
	return fail("PipeEnd.Send", err)
}

func sendValue[T any](ctx context.Context, c *endCore, v *T) error {
	if b, ok := any(v).(*[]byte); ok {
		_, err := c.send(ctx, pieceWhole, *b)
		return err
	}
	buf := buffers.get()
	defer buffers.put(buf)
	b, err := codec.Append(buf.b[:0], v)
	if err != nil {
		return err
	}
	buf.b = b
	_, err = c.send(ctx, pieceWhole, b)
	return err
}

// Recv receives a message, waiting for one as long as ctx lasts. It returns io.EOF itself when
// no process has the other end and all is read. Otherwise the error wraps the cause of ctx's
// end, ErrClosed, ErrDirection, or ErrMismatch if a file is next, which stays there; if a value
// cannot be decoded, it is gone and the error says why.
//
// A message that is longer than half of the pipe's memory comes in pieces. If ctx ends between
// two of them, the next Recv of this handle goes on; until then other receivers wait.
func (e *PipeEnd[T]) Recv(ctx context.Context) (v T, err error) {
	c, err := e.get()
	if err == nil {
		err = recvValue(ctx, c, &v, true)
	}
	return v, failEOF("PipeEnd.Recv", err)
}

// TryRecv is Recv that does not wait: the error wraps ErrEmpty if there is nothing, or if
// somebody else is just receiving it.
func (e *PipeEnd[T]) TryRecv() (v T, err error) {
	c, err := e.get()
	if err == nil {
		err = recvValue(context.Background(), c, &v, false)
	}
	return v, failEOF("PipeEnd.TryRecv", err)
}

func recvValue[T any](ctx context.Context, c *endCore, v *T, wait bool) error {
	w := waiting{ctx: ctx, end: c}
	in, err := c.receive(&w, wait, false)
	if err != nil {
		return err
	}
	if b, ok := any(v).(*[]byte); ok {
		*b = in.bytes()
		c.received(&w, in, true)
		return nil
	}
	if !in.inRing {
		c.received(&w, in, true)
		return codec.Decode(in.head, v)
	}
	buf := buffers.get()
	defer buffers.put(buf)
	// A copy, because who else shares the memory may write it meanwhile, and the decoding
	// may call methods of users.
	buf.b = append(append(buf.b[:0], in.head...), in.tail...)
	c.received(&w, in, true)
	return codec.Decode(buf.b, v)
}

// BufferTooShortError says that a message did not fit into the buffer of RecvInto. It was
// received, and is in Message. It wraps io.ErrShortBuffer. In Python: BufferTooShort.
type BufferTooShortError struct{ Message []byte }

func (e *BufferTooShortError) Error() string {
	return fmt.Sprintf("a message of %d bytes does not fit into the buffer", len(e.Message))
}

// Unwrap returns io.ErrShortBuffer.
func (e *BufferTooShortError) Unwrap() error { return io.ErrShortBuffer }

// RecvInto is Recv into the caller's memory. It returns how many bytes the message has, and
// leaves the rest of buf as it is. If buf is too short, it is left alone, and the error is a
// *BufferTooShortError with the message. In Python: Connection.recv_bytes_into.
func RecvInto(ctx context.Context, e *PipeEnd[[]byte], buf []byte) (n int, err error) {
	c, err := e.get()
	if err == nil {
		n, err = recvInto(ctx, c, buf)
	}
	return n, failEOF("RecvInto", err)
}

func recvInto(ctx context.Context, c *endCore, buf []byte) (n int, err error) {
	w := waiting{ctx: ctx, end: c}
	in, err := c.receive(&w, true, false)
	if err != nil {
		return 0, err
	}
	if n = len(in.head) + len(in.tail); n <= len(buf) {
		copy(buf, in.head)
		copy(buf[len(in.head):], in.tail)
	} else {
		n, err = 0, &BufferTooShortError{in.bytes()}
	}
	c.received(&w, in, true)
	return n, err
}

// failEOF is fail that lets io.EOF be itself.
func failEOF(method string, err error) error {
	if err == io.EOF { // and not one that is wrapped in a failure to decode
		return io.EOF
	}
	return fail(method, err)
}

// Poll waits until Recv, or RecvFile, would not wait, as long as ctx lasts, and reports
// whether it is so; it is so too when no process has the other end. With a ctx that has ended
// it returns at once. That ctx ends is no error here. The error wraps ErrClosed or ErrDirection.
func (e *PipeEnd[T]) Poll(ctx context.Context) (ready bool, err error) {
	c, err := e.get()
	if err == nil {
		ready, err = c.poll(ctx)
	}
	return ready, fail("PipeEnd.Poll", err)
}

func (c *endCore) poll(ctx context.Context) (bool, error) {
	switch {
	case !c.enter():
		return false, ErrClosed
	case !c.receives:
		c.leave()
		return false, ErrDirection
	}
	defer c.leave()
	if c.in == nil {
		return true, nil
	}
	w := waiting{ctx: ctx, end: c}
	defer w.done()
	err := c.in.poll(&w)
	switch {
	case err == nil && !c.o.Closed():
		return true, nil
	case c.closed.Err() != nil, err == nil:
		return false, ErrClosed
	}
	return false, nil // ctx has ended
}

// Readable reports whether Recv is for this end; Writable whether Send is. Of a closed handle
// both are false.
func (e *PipeEnd[T]) Readable() bool {
	c := e.core.Load()
	return c != nil && c.receives
}

// Writable reports whether Send is for this end.
func (e *PipeEnd[T]) Writable() bool {
	c := e.core.Load()
	return c != nil && c.sends
}

// Close closes this handle. Calls that wait on it return ErrClosed. If it was the last handle
// of this end in any process, and none is on its way, the other end is told before Close
// returns, or before the last such call does. A second Close does nothing.
func (e *PipeEnd[T]) Close() error {
	if c := e.core.Swap(nil); c != nil {
		c.end()
	}
	return nil
}

// CloseAll closes this handle and all others of this end, in all processes: they return
// ErrClosed, those on their way do not decode any more, which ErrGone tells, and the other end
// is told. What was sent can still be received there. It is for ends that may have got lost; see
// PipeEnd.
func (e *PipeEnd[T]) CloseAll() error {
	if c := e.core.Swap(nil); c != nil {
		if c.enter() {
			c.o.Close()
			c.leave()
		}
		c.end()
	}
	return nil
}

// String describes the end.
func (e *PipeEnd[T]) String() string {
	switch r, w := e.Readable(), e.Writable(); {
	case r && w:
		return "PipeEnd(duplex)"
	case r:
		return "PipeEnd(receives)"
	case w:
		return "PipeEnd(sends)"
	}
	return "PipeEnd(closed)"
}

// MarshalCBOR implements the encoding of handles; see the package documentation. What it
// returns is to be decoded once.
func (e *PipeEnd[T]) MarshalCBOR() ([]byte, error) {
	c := e.core.Load()
	if c == nil {
		return nil, fail("encoding a PipeEnd", errUnset)
	}
	data, err := c.marshal()
	return data, fail("encoding a PipeEnd", err)
}

// UnmarshalCBOR implements the decoding of handles.
func (e *PipeEnd[T]) UnmarshalCBOR(data []byte) error {
	c, err := unmarshalEnd(data, isRaw[T]())
	if err != nil {
		return fail("decoding a PipeEnd", err)
	}
	e.core.Store(c)
	return nil
}
