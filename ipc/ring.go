package ipc

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/shm"
)

// A ring of records in shared memory is what queues and pipes are made of. LAYOUT.md
// describes its words.
//
// Producers take the lock P and consumers the lock C. A record is in the ring when the one
// store to tail says so, and out of it with the one store to head: a word of each holds both
// the position and the count, so that whoever is killed at any instruction leaves a ring that
// is whole (Q1). The locks are robust, and a corpse's is simply freed.
const (
	queueCapacity = 0  // values, by its creator
	queueBytes    = 8  // of the ring, a power of two, by its creator
	queueFirst    = 24 // the first cursor, by its creator
	queueRaw      = 16 // 1: records are the values, 0: they are encoded; by its creator
	queueP        = 128
	queueTail     = 192 // by who has P
	queueRoom     = 256 // wait set of producers
	queueC        = 320
	queueHead     = 384 // by who has C
	queueItems    = 448 // wait set of consumers
	queueJoin     = 512 // wait set of those who join
	queueLost     = 520 // values whose takers died, by the warden
	queueShares   = 576 // for each member: what it took and has done
	queueShare    = 16  // bytes of one
	shareTaking   = 0   // count after its last take << 32 | values that it has taken
	shareDone     = 8   // 32 bits: values that it has marked done
	queueData     = (queueShares + family.MaxMembers*queueShare + 4095) &^ 4095

	recordHead = 8 // length and count, 32 bits each
	unit       = 8 // positions count these
)

// cursor is a word of tail or head: where the next record is, in units, and how many were
// before it; both modulo 2^32.
type cursor uint64

func (c cursor) position() uint32 { return uint32(c >> 32) }
func (c cursor) count() uint32    { return uint32(c) }

func cursorAt(position, count uint32) cursor { return cursor(position)<<32 | cursor(count) }

// firstCursor is where the tickets of new rings begin; tests set it to begin near the
// wrap-around.
var firstCursor atomic.Uint64

// newRing makes a ring.
func newRing(method string, travels error, capacity, size int, raw bool, kind uint8) (*family.Object, error) {
	switch {
	case travels != nil:
		return nil, fail(method, travels)
	case capacity < 0:
		return nil, fail(method, fmt.Errorf("negative Capacity %d", capacity))
	case size < 0:
		return nil, fail(method, fmt.Errorf("negative Bytes %d", size))
	case size > mostQueueBytes:
		return nil, fail(method, fmt.Errorf("%d Bytes, at most %d", size, mostQueueBytes))
	}
	if capacity == 0 {
		capacity = defaultQueueCapacity
	}
	if size == 0 {
		size = defaultQueueBytes
	}
	size = 1 << bits.Len(uint(max(size, shm.PageSize())-1))
	o, err := create(kind, queueData+size, 0, func(o *family.Object) {
		o.Word(queueCapacity).Store(uint64(capacity))
		o.Word(queueBytes).Store(uint64(size))
		if raw {
			o.Word(queueRaw).Store(1)
		}
		o.Word(queueFirst).Store(firstCursor.Load())
		o.Word(queueTail).Store(firstCursor.Load())
		o.Word(queueHead).Store(firstCursor.Load())
	})
	return o, fail(method, err)
}

// checkRing returns an error unless the object is a ring for such values.
func checkRing(o *family.Object, raw bool) error {
	if o.Size() < queueData {
		return fmt.Errorf("%w: a ring of %d bytes", ErrCorrupt, o.Size())
	}
	size := o.Word(queueBytes).Load()
	if size == 0 || size&(size-1) != 0 || size > mostQueueBytes || int(size) > o.Size()-queueData {
		return fmt.Errorf("%w: a ring of %d bytes in %d", ErrCorrupt, size, o.Size())
	}
	if isRaw := o.Word(queueRaw).Load() == 1; isRaw != raw {
		return fmt.Errorf("%w: one side has bytes, the other has values", ErrMismatch)
	}
	return nil
}

func checkTravels[T any]() error { return codec.Check(reflect.TypeFor[T]()) }

// queueCore is a ring as this process uses it.
type queueCore struct {
	o        *family.Object
	data     []byte
	mask     uint64
	capacity uint32

	p, c        family.Lock
	tail, head  *atomic.Uint64
	room, items family.WaitSet
	joined      family.WaitSet
	taking      *atomic.Uint64 // of this process
	done        *atomic.Uint32 // likewise

	// What the other side's cursor was when it was last looked at, so that its cache line
	// is not fetched for every record.
	headSeen cursor // guarded by p
	tailSeen cursor // guarded by c

	puts, takes *polling // of those who wait for room, and for records
}

var queueKind = family.Kind{
	Name:   "Queue",
	Repair: repairRing,
	Wake:   wakeRing,
	Spent:  func(o *family.Object) bool { return o.Word(queueTail).Load() == o.Word(queueHead).Load() },
}

func queueCoreOf(o *family.Object) *queueCore {
	return o.Local(func(o *family.Object) any {
		size := int(o.Word(queueBytes).Load())
		share := queueShares + o.Number()*queueShare
		c := &queueCore{
			o: o, data: o.Bytes()[queueData:][:size:size], mask: uint64(size - 1),
			capacity: uint32(min(o.Word(queueCapacity).Load(), 1<<31)),
			p:        o.LockAt(queueP), c: o.LockAt(queueC),
			tail: o.Word(queueTail), head: o.Word(queueHead),
			room: o.WaitSet(queueRoom), items: o.WaitSet(queueItems), joined: o.WaitSet(queueJoin),
			taking: o.Word(share + shareTaking), done: o.Word32(share + shareDone),
			puts: newPolling(), takes: newPolling(),
		}
		c.headSeen = cursor(c.head.Load())
		c.tailSeen = c.headSeen // there may be more, and there is never less
		return c
	}).(*queueCore)
}

// wakeRing wakes all who wait at a ring.
func wakeRing(o *family.Object) {
	for _, off := range []int{queueRoom, queueItems, queueJoin} {
		o.WaitSet(off).WakeAll()
	}
}

// repairRing makes good what a dead process had of a ring. What it had taken and not marked
// done counts as done.
func repairRing(o *family.Object, dead family.Member) {
	if o.Size() < queueData {
		return
	}
	p, c := o.LockAt(queueP), o.LockAt(queueC)
	share := queueShares + dead.Number*queueShare
	intent := o.Word(share + shareTaking).Load()
	taken := uint32(intent)
	if owner, _ := c.Owner(); owner == dead.Owner && cursor(o.Word(queueHead).Load()).count() != uint32(intent>>32) {
		taken-- // it died before head said that it had taken the value
		o.Word(share + shareTaking).Store(intent&^0xffffffff | uint64(taken))
	}
	done := o.Word32(share + shareDone)
	if lost := int32(taken - done.Load()); lost > 0 {
		o.Word(queueLost).Add(uint64(lost))
		done.Store(taken) // and not zero: whoever gets the number next goes on from here
	}
	p.Bury(dead, false)
	c.Bury(dead, false)
	for _, off := range []int{queueRoom, queueItems, queueJoin} {
		o.WaitSet(off).Bury(dead)
	}
}

// units returns how many units a record of n bytes takes.
func units(n int) uint32 { return uint32((recordHead + n + unit - 1) / unit) }

// fits reports whether a record fits, as seen from a cursor of the other side.
func (c *queueCore) fits(tail, head cursor, need uint32) bool {
	return tail.count()-head.count() < c.capacity && uint64(tail.position()-head.position()+need)*unit <= c.mask+1
}

// put puts a record.
func (c *queueCore) put(ctx context.Context, payload []byte, wait bool) error {
	need := units(len(payload))
	if uint64(need)*unit > c.mask+1 || len(payload) > mostQueueBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(payload), c.mask+1-recordHead)
	}
	done, err := c.tryPut(ctx, payload, need)
	if !done && err == nil {
		if !wait {
			err = ErrFull
		} else {
			err = c.putLater(ctx, payload, need)
		}
	}
	runtime.KeepAlive(c)
	return err
}

// putLater puts a record for which there was no room.
func (c *queueCore) putLater(ctx context.Context, payload []byte, need uint32) (err error) {
	// At first a good part of the ring is waited for: record by record, a hand-over would be
	// paid for each.
	quarter := max(need, uint32((c.mask+1)/unit/4))
	c.puts.until(func() bool {
		tail, head := cursor(c.tail.Load()), cursor(c.head.Load())
		return c.fits(tail, head, quarter) && c.capacity-(tail.count()-head.count()) > c.capacity/4 || c.o.Closed()
	})
	waited := c.room.Wait(ctx, func() bool {
		var done bool
		done, err = c.tryPut(ctx, payload, need)
		return done || err != nil
	}, func() bool {
		return err != nil || c.fits(cursor(c.tail.Load()), cursor(c.head.Load()), 1)
	})
	if waited != nil {
		return waited
	}
	return err
}

// tryPut puts a record if it fits.
func (c *queueCore) tryPut(ctx context.Context, payload []byte, need uint32) (done bool, err error) {
	if _, err := c.p.Lock(ctx); err != nil {
		return false, err
	}
	if c.o.Closed() {
		_ = c.p.Unlock()
		return false, ErrClosed
	}
	tail := cursor(c.tail.Load())
	if !c.fits(tail, c.headSeen, need) {
		c.headSeen = cursor(c.head.Load())
		if !c.fits(tail, c.headSeen, need) {
			_ = c.p.Unlock()
			return false, nil
		}
	}
	at := uint64(tail.position()) * unit & c.mask
	binary.LittleEndian.PutUint32(c.data[at:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(c.data[at+4:], tail.count())
	at = (at + recordHead) & c.mask
	if n := copy(c.data[at:], payload); n < len(payload) {
		copy(c.data, payload[n:])
	}
	assert.Reach("put, not counted")
	c.tail.Store(uint64(cursorAt(tail.position()+need, tail.count()+1)))
	assert.Reach("put, lock not freed")
	_ = c.p.Unlock() // it is ours, unless the memory is corrupt
	c.items.WakeOne()
	return true, nil
}

// take takes a record and appends its bytes to dst.
func (c *queueCore) take(ctx context.Context, dst []byte, wait bool) ([]byte, error) {
	out, done, err := c.tryTake(ctx, dst)
	if !done && err == nil {
		if !wait {
			err = ErrEmpty
		} else {
			out, err = c.takeLater(ctx, dst)
		}
	}
	runtime.KeepAlive(c)
	return out, err
}

// takeLater takes a record when there was none.
func (c *queueCore) takeLater(ctx context.Context, dst []byte) (out []byte, err error) {
	c.takes.until(func() bool { return c.tail.Load() != c.head.Load() || c.o.Closed() })
	waited := c.items.Wait(ctx, func() bool {
		var done bool
		out, done, err = c.tryTake(ctx, dst)
		return done || err != nil
	}, func() bool {
		return err != nil || c.tail.Load() != c.head.Load()
	})
	if waited != nil {
		return dst, waited
	}
	return out, err
}

// tryTake takes a record if there is one.
func (c *queueCore) tryTake(ctx context.Context, dst []byte) (out []byte, done bool, err error) {
	if _, err := c.c.Lock(ctx); err != nil {
		return dst, false, err
	}
	closed := c.o.Closed() // before looking at what was put
	head := cursor(c.head.Load())
	if head == c.tailSeen || int32(c.tailSeen.count()-head.count()) < 0 {
		c.tailSeen = cursor(c.tail.Load())
		if c.tailSeen == head && closed {
			// Who looked before the ring was closed may still be putting something.
			if _, err = c.p.Lock(ctx); err == nil {
				c.tailSeen = cursor(c.tail.Load())
				_ = c.p.Unlock()
			}
		}
		if c.tailSeen == head {
			_ = c.c.Unlock()
			if closed && err == nil {
				err = ErrClosed
			}
			return dst, false, err
		}
	}
	// What the record says of itself is a peer's word (Q3).
	at := uint64(head.position()) * unit & c.mask
	length, count := binary.LittleEndian.Uint32(c.data[at:]), binary.LittleEndian.Uint32(c.data[at+4:])
	need := (uint64(length) + recordHead + unit - 1) / unit
	if count != head.count() || need > uint64(c.tailSeen.position()-head.position()) || need*unit > c.mask+1 {
		_ = c.c.Unlock()
		return dst, false, fmt.Errorf("%w: record %d of a ring says that it is %d, of %d bytes", ErrCorrupt, head.count(), count, length)
	}
	at = (at + recordHead) & c.mask
	n := min(uint64(length), c.mask+1-at)
	out = append(dst, c.data[at:at+n]...)
	if n < uint64(length) {
		out = append(out, c.data[:uint64(length)-n]...)
	}
	next := cursorAt(head.position()+uint32(need), head.count()+1)
	c.taking.Store(uint64(next.count())<<32 | uint64(uint32(c.taking.Load())+1))
	assert.Reach("taken, not counted")
	c.head.Store(uint64(next))
	assert.Reach("taken, lock not freed")
	_ = c.c.Unlock()
	c.room.WakeOne()
	return out, true, nil
}

func (c *queueCore) length() int {
	for {
		head, tail := cursor(c.head.Load()), cursor(c.tail.Load())
		if n := int32(tail.count() - head.count()); n >= 0 && cursor(c.head.Load()) == head {
			return int(n)
		}
	}
}

// unfinished returns how many records were put and not marked done.
func (c *queueCore) unfinished() int32 {
	n := cursor(c.tail.Load()).count() - cursor(c.o.Word(queueFirst).Load()).count()
	for number := range c.o.Marked() {
		n -= c.o.Word32(queueShares + number*queueShare + shareDone).Load()
	}
	return int32(n)
}

func (c *queueCore) taskDone() error {
	defer runtime.KeepAlive(c)
	c.done.Add(1)
	switch n := c.unfinished(); {
	case n < 0:
		c.done.Add(^uint32(0))
		return ErrTooManyDone
	case n == 0:
		c.joined.WakeAll()
	}
	return nil
}

func (c *queueCore) join(ctx context.Context) error {
	defer runtime.KeepAlive(c)
	return c.joined.Wait(ctx, func() bool { return c.unfinished() <= 0 }, func() bool { return true })
}

// buffers are for encoded values.
var buffers bufferPool

type buffer struct{ b []byte }

type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() *buffer {
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

// keptBuffer is how large a buffer is kept.
const keptBuffer = 64 << 10

func (p *bufferPool) put(b *buffer) {
	if cap(b.b) <= keptBuffer {
		p.pool.Put(b)
	}
}
