package ipc

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/wake"
)

// A Value of at most 8 bytes is in the cell. A larger one is in one of two copies: the lowest
// bit of sequence, which counts values, says in which. Who has the lock writes the other copy,
// and the one store to sequence makes it the value. A corpse's lock is simply freed: sequence
// does not lead to what it had not finished (V2).
//
// Who reads looks at sequence before and after. If it is the same, nobody has written to that
// copy: its next writer begins only after sequence has led to the other one (V3).
const (
	valueCell     = 0   // by anybody
	valueSize     = 8   // bytes of a value, by its creator
	valueMutex    = 64  // the users' lock
	valueSmall    = 128 // bytes of an object with a value in the cell
	valueLock     = 128
	valueSequence = 192 // by who has the lock
	valueCopies   = 256 // each a multiple of 64 bytes

	cellSize = 8
)

func valueStride(size int) int { return (size + 63) &^ 63 }

// valueCore is a Value as this process uses it. It does not know the type.
type valueCore struct {
	o      *family.Object
	mutex  mutexCore
	err    error          // the memory is corrupt, and nothing below is set
	cell   *atomic.Uint64 // nil for a large value
	region *shm.Region
	at     int // of the object, in the region
	size   int // of a value

	lock     family.Lock
	sequence *atomic.Uint64
	copies   [2][]byte
	words    [2][]atomic.Uint64 // the same
}

var valueKind = family.Kind{
	Name: "Value",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() < valueSmall {
			return
		}
		mutex := o.LockAt(valueMutex)
		mutex.Bury(dead, true)
		if o.Size() > valueCopies {
			lock := o.LockAt(valueLock)
			lock.Bury(dead, false)
		}
	},
	Wake: func(o *family.Object) {
		if o.Size() >= valueSmall {
			mutex := o.LockAt(valueMutex)
			mutex.Wake()
		}
	},
}

// newValueCore makes a Value that is what initial says.
func newValueCore(s *shape, initial []byte) (*valueCore, error) {
	size := valueSmall
	if s.size > cellSize {
		if s.size > mostBytes/2 {
			return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, s.size)
		}
		size = valueCopies + 2*valueStride(s.size)
	}
	o, err := createLarge(kindValue, size, s.hash, func(o *family.Object) {
		o.Word(valueSize).Store(uint64(s.size))
		if s.size > cellSize {
			copy(o.Bytes()[valueCopies:], initial)
		} else {
			copy(o.Bytes()[valueCell:], initial)
		}
	})
	if err != nil {
		return nil, err
	}
	return valueCoreOf(o)
}

func valueCoreOf(o *family.Object) (*valueCore, error) {
	c := o.Local(func(o *family.Object) any {
		c := &valueCore{o: o, region: o.Region(), at: o.Offset()}
		c.err = c.bind(o)
		return c
	}).(*valueCore)
	return c, c.err
}

func (c *valueCore) bind(o *family.Object) error {
	if o.Size() < valueSmall {
		return fmt.Errorf("%w: a Value of %d bytes", ErrCorrupt, o.Size())
	}
	size := o.Word(valueSize).Load()
	if size == 0 || size > uint64(o.Size()) || size > cellSize && valueCopies+2*valueStride(int(size)) > o.Size() {
		return fmt.Errorf("%w: a Value of %d bytes in %d", ErrCorrupt, size, o.Size())
	}
	c.mutex.bind(o, valueMutex, partMutex)
	c.size = int(size)
	if c.size <= cellSize {
		c.cell = o.Word(valueCell)
		return nil
	}
	c.lock, c.sequence = o.LockAt(valueLock), o.Word(valueSequence)
	for i := range c.copies {
		off := valueCopies + i*valueStride(c.size)
		c.copies[i] = o.Bytes()[off:][:c.size:c.size]
		c.words[i] = shm.SliceAt[atomic.Uint64](c.region, c.at+off, (c.size+7)/8)
	}
	return nil
}

// patience is how often a reader tries before it keeps the writers off.
const patience = 32

// load copies a large value and returns its number. The caller keeps c.
func (c *valueCore) load(dst []byte) uint64 {
	for range patience {
		version := c.sequence.Load()
		// Word by word with atomic loads, because plain ones may come after the second
		// look at sequence.
		words := c.words[version&1]
		whole := len(dst) / 8
		for i := range whole {
			binary.NativeEndian.PutUint64(dst[i*8:], words[i].Load())
		}
		if whole < len(words) {
			last := words[whole].Load()
			copy(dst[whole*8:], bytesOf(&last))
		}
		if c.sequence.Load() == version {
			return version
		}
	}
	c.hold()
	defer c.free()
	version := c.sequence.Load()
	copy(dst, c.copies[version&1])
	return version
}

// swap sets a large value, and copies what it was into old if that is not nil.
func (c *valueCore) swap(value, old []byte) {
	c.hold()
	defer c.free()
	version := c.sequence.Load()
	copy(old, c.copies[version&1])
	c.write(value, version)
}

// replace sets a large value if its number is still version.
func (c *valueCore) replace(value []byte, version uint64) bool {
	if c.sequence.Load() != version {
		return false
	}
	c.hold()
	defer c.free()
	if c.sequence.Load() != version {
		return false
	}
	c.write(value, version)
	return true
}

// write makes value the next after version. The caller has the lock.
func (c *valueCore) write(value []byte, version uint64) {
	next := version + 1
	dst := c.copies[next&1]
	if assert.Enabled {
		half := len(dst) / 2
		copy(dst[:half], value)
		assert.Reach("half a value written")
		copy(dst[half:], value[half:])
	} else {
		copy(dst, value)
	}
	assert.Reach("value written, not published")
	c.sequence.Store(next)
	wake.Fence()
	assert.Reach("value published, lock not freed")
}

func (c *valueCore) hold() {
	if _, err := c.lock.Lock(context.Background()); err != nil {
		panic(fail("Value", err)) // it ends with nothing
	}
}

func (c *valueCore) free() { _ = c.lock.Unlock() } // it is ours, unless the memory is corrupt
