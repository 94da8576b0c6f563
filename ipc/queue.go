package ipc

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"

	"github.com/futures-go/futures/internal/codec"
)

// Queue is a bounded queue between processes, for any number of producers and consumers. The
// value is in shared memory when Put returns: nothing has to feed it, and whoever dies
// afterwards does not lose it. Of each producer the values arrive in the order in which it
// put them.
//
// Values travel as arguments of tasks do (see package wire), so that what is taken is a copy;
// a []byte travels as it is. A process that dies loses at most the value that it was putting or
// taking.
//
// All methods may be called together. In Python: multiprocessing.Queue, SimpleQueue and
// JoinableQueue.
type Queue[T any] struct{ handle[queueCore] }

// QueueOptions configure a queue. The zero value is a good default.
type QueueOptions struct {
	// Capacity is how many values the queue holds. The default is 1024.
	Capacity int

	// Bytes is how much memory there is for them, each with 8 bytes more, rounded up to
	// 8. It is rounded up to a power of two, and at least a page. A value that would not
	// fit into an empty queue is refused with ErrTooLarge; Put waits for one that does not
	// fit now. The default is 1 MiB, the most 1 GiB.
	Bytes int
}

const (
	defaultQueueCapacity = 1024
	defaultQueueBytes    = 1 << 20
	mostQueueBytes       = 1 << 30
)

// NewQueue makes a queue. The error wraps errors.ErrUnsupported where there is no shared
// memory of this kind; it says so too if T cannot travel, naming the field, or if the options
// make no sense.
func NewQueue[T any](opts QueueOptions) (*Queue[T], error) {
	o, err := newRing("NewQueue", checkTravels[T](), opts.Capacity, opts.Bytes, isRaw[T](), kindQueue)
	if err != nil {
		return nil, err
	}
	q := new(Queue[T])
	q.core.Store(queueCoreOf(o))
	return q, nil
}

// Put puts a value, waiting for room as long as ctx lasts. The error wraps the cause of ctx's
// end, ErrClosed, or ErrTooLarge, or says why the value cannot travel; then it was not put.
func (q *Queue[T]) Put(ctx context.Context, v T) error {
	c, err := q.get()
	if err == nil {
		err = putValue(ctx, c, v, true)
	}
	return fail("Queue.Put", err)
}

// TryPut is Put that does not wait: without room the error wraps ErrFull.
func (q *Queue[T]) TryPut(v T) error {
	c, err := q.get()
	if err == nil {
		err = putValue(context.Background(), c, v, false)
	}
	return fail("Queue.TryPut", err)
}

// Get takes the first value, waiting for one as long as ctx lasts. The error wraps the cause
// of ctx's end, or ErrClosed when the queue is closed and drained. If a value cannot be
// decoded, it is gone and the error says why.
func (q *Queue[T]) Get(ctx context.Context) (v T, err error) {
	c, err := q.get()
	if err == nil {
		v, err = takeValue[T](ctx, c, true)
	}
	return v, fail("Queue.Get", err)
}

// TryGet is Get that does not wait: without a value the error wraps ErrEmpty.
func (q *Queue[T]) TryGet() (v T, err error) {
	c, err := q.get()
	if err == nil {
		v, err = takeValue[T](context.Background(), c, false)
	}
	return v, fail("Queue.TryGet", err)
}

// GetInto is Get into a value that exists: a []byte keeps its memory if that is large enough,
// and other values are set as encoding/json would set them.
func (q *Queue[T]) GetInto(ctx context.Context, v *T) error {
	c, err := q.get()
	if err == nil {
		err = takeInto(ctx, c, v, true)
	}
	return fail("Queue.GetInto", err)
}

// All takes values until the queue is closed and drained. If ctx ends before, or a value
// cannot be decoded, the error comes in the place of a value; after the former it ends.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) {
				return
			}
			if !yield(v, err) || err != nil && ctx.Err() != nil {
				return
			}
		}
	}
}

// Len returns how many values are in the queue. It is exact when nobody puts or takes, and
// sees what this goroutine has done. A queue that is closed here has none.
func (q *Queue[T]) Len() int {
	c := q.core.Load()
	if c == nil {
		return 0
	}
	defer runtime.KeepAlive(c)
	return c.length()
}

// Cap returns how many values the queue holds.
func (q *Queue[T]) Cap() int {
	c := q.core.Load()
	if c == nil {
		return 0
	}
	defer runtime.KeepAlive(c)
	return int(c.capacity)
}

// TaskDone says that a value that was taken has been dealt with, for Join. The error wraps
// ErrTooManyDone if all were.
func (q *Queue[T]) TaskDone() error {
	c, err := q.get()
	if err == nil {
		err = c.taskDone()
	}
	return fail("Queue.TaskDone", err)
}

// Join waits, as long as ctx lasts, until TaskDone was called for every value that was put.
// What a process had taken and not marked done when it died counts as done; Lost tells how
// many that were.
func (q *Queue[T]) Join(ctx context.Context) error {
	c, err := q.get()
	if err == nil {
		err = c.join(ctx)
	}
	return fail("Queue.Join", err)
}

// Lost returns how many values were taken by processes that died before they marked them
// done. It is of meaning only for queues whose consumers call TaskDone.
func (q *Queue[T]) Lost() int {
	c := q.core.Load()
	if c == nil {
		return 0
	}
	defer runtime.KeepAlive(c)
	return int(c.o.Word(queueLost).Load())
}

// Close says that nothing more is put, in any process: Put returns ErrClosed, and Get does
// when all values have been taken. This handle can still be used for taking. A second Close
// does nothing.
//
// The memory is given back when the queue is closed and empty and no process has a handle any
// more: see Discard.
func (q *Queue[T]) Close() error {
	c := q.core.Load()
	if c != nil {
		c.o.Close()
	}
	runtime.KeepAlive(c)
	return nil
}

// Discard closes the queue and throws away what is in it. The handle is of no use any more.
func (q *Queue[T]) Discard() error {
	c := q.core.Swap(nil)
	if c == nil {
		return nil
	}
	defer runtime.KeepAlive(c)
	c.o.Close()
	for {
		if _, err := c.take(context.Background(), nil, false); err != nil {
			if errors.Is(err, ErrClosed) {
				err = nil
			}
			return fail("Queue.Discard", err)
		}
	}
}

// String describes the queue.
func (q *Queue[T]) String() string { return fmt.Sprintf("Queue(%d of %d)", q.Len(), q.Cap()) }

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (q *Queue[T]) MarshalCBOR() ([]byte, error) {
	c, err := q.get()
	if err != nil {
		return nil, fail("encoding a Queue", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (q *Queue[T]) UnmarshalCBOR(data []byte) error {
	o, err := openWhole(data, kindQueue)
	if err == nil {
		err = checkRing(o, isRaw[T]())
	}
	if err != nil {
		return fail("decoding a Queue", err)
	}
	q.core.Store(queueCoreOf(o))
	return nil
}

// isRaw reports whether values of type T travel as they are.
func isRaw[T any]() bool {
	_, raw := any((*T)(nil)).(*[]byte)
	return raw
}

// putValue puts a value.
func putValue[T any](ctx context.Context, c *queueCore, v T, wait bool) error {
	if b, ok := any(v).([]byte); ok {
		return c.put(ctx, b, wait)
	}
	return putEncoded(ctx, c, v, wait)
}

// putEncoded is a function of its own because v moves to the heap here.
func putEncoded[T any](ctx context.Context, c *queueCore, v T, wait bool) error {
	buf := buffers.get()
	defer buffers.put(buf)
	b, err := codec.Append(buf.b[:0], &v)
	if err != nil {
		return err
	}
	buf.b = b
	return c.put(ctx, b, wait)
}

// takeValue takes a value.
func takeValue[T any](ctx context.Context, c *queueCore, wait bool) (v T, err error) {
	if _, ok := any(v).([]byte); ok {
		b, err := c.take(ctx, nil, wait)
		if err == nil && b == nil {
			b = []byte{}
		}
		v, _ = any(b).(T)
		return v, err
	}
	return takeDecoded[T](ctx, c, wait)
}

func takeDecoded[T any](ctx context.Context, c *queueCore, wait bool) (T, error) {
	var v T
	err := takeInto(ctx, c, &v, wait)
	return v, err
}

// takeInto sets what v points to.
func takeInto[T any](ctx context.Context, c *queueCore, v *T, wait bool) error {
	if b, ok := any(v).(*[]byte); ok {
		taken, err := c.take(ctx, (*b)[:0], wait)
		if err == nil {
			*b = taken
		}
		return err
	}
	// Decoded from a copy, because who else shares the memory may write it meanwhile, and
	// because the decoding may call methods of users.
	buf := buffers.get()
	defer buffers.put(buf)
	b, err := c.take(ctx, buf.b[:0], wait)
	if err != nil {
		return err
	}
	buf.b = b
	return codec.Decode(b, v)
}
