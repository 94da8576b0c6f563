package family

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/futures-go/futures/internal/shm"
)

// Errors that say what became of an object.
var (
	ErrGone    = errors.New("object is gone")
	ErrForeign = errors.New("object belongs to processes that this one does not share memory with")
	ErrCorrupt = errors.New("shared memory is corrupt")
	ErrFull    = errors.New("no room for more objects")
)

// ID names a family.
type ID [16]byte

func (id ID) String() string { return hex.EncodeToString(id[:4]) }

// Kind is what a family needs to know of a kind of objects. The functions get an object of
// this kind that the calling process holds; they may be called by any member, and again for
// the same death if that member dies meanwhile.
type Kind struct {
	Name string
	// Repair makes good what a dead member left, and wakes all that wait.
	Repair func(o *Object, dead Member)
	// Wake wakes all that wait, because the object was closed.
	Wake func(o *Object)
	// Spent reports whether a closed object is of no use any more. Nil means that it is.
	Spent func(o *Object) bool
	// Dropped is called after a member has let go of the object, which is not held by the
	// call itself: Family.Held tells who is left. Of two members that let go at the same
	// time at least the last one finds nobody. It is also called when nobody has let go.
	// It may be nil.
	Dropped func(o *Object)
}

// Family is memory shared by processes.
type Family struct {
	region *shm.Region
	id     ID
	kinds  []Kind
	sticky bool // this process stays a member until it ends

	readOnly     sync.Once
	readOnlyView *shm.Region
	readOnlyErr  error

	mu      sync.Mutex
	member  *member                         // of this process, nil if it is none
	objects map[uint32]weak.Pointer[Object] // that users have, by index
}

// Class returns the number of the smallest class of blocks that holds n bytes.
func classOf(n int) int {
	c := smallestClass
	for n > 1<<c {
		c++
	}
	return c
}

const wholeSize = 1 << largestClass // addresses; memory is taken as it is used

// create makes a family in a region of that size, or less if there are not so many addresses.
func create(kinds []Kind, size int) (*Family, error) {
	var region *shm.Region
	var err error
	for ; size >= smallestRegion; size /= 2 {
		region, err = shm.Create("futures-family", size)
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	f := &Family{region: region, kinds: kinds, objects: make(map[uint32]weak.Pointer[Object])}
	_, _ = rand.Read(f.id[:]) // never fails
	copy(region.Bytes()[offID:], f.id[:])
	f.word(offSize).Store(uint64(region.Size()))
	f.word(offBump).Store(offBlocks)
	f.word(offMagic).Store(magic)
	return f, nil
}

// attach maps a family that another process has made. The descriptor is the family's then.
func attach(fd int, kinds []Kind) (*Family, error) {
	region, err := shm.Open(fd, smallestRegion)
	if err != nil {
		return nil, err
	}
	f := &Family{region: region, kinds: kinds, objects: make(map[uint32]weak.Pointer[Object])}
	if got := f.word(offMagic).Load(); got != magic {
		return nil, fmt.Errorf("family: %w: the magic number is %#x", ErrCorrupt, got)
	}
	if got := f.word(offSize).Load(); got != uint64(region.Size()) {
		return nil, fmt.Errorf("family: %w: %d bytes, and says %d", ErrCorrupt, region.Size(), got)
	}
	copy(f.id[:], region.Bytes()[offID:])
	return f, nil
}

// ID returns the family's name.
func (f *Family) ID() ID { return f.id }

// Region returns the memory, for its descriptor.
func (f *Family) Region() *shm.Region { return f.region }

func (f *Family) word(off int) *atomic.Uint64   { return f.region.Uint64(off) }
func (f *Family) word32(off int) *atomic.Uint32 { return f.region.Uint32(off) }

// ReadOnly returns the family's memory mapped for reading only: writing to it is a fault.
func (f *Family) ReadOnly() (*shm.Region, error) {
	f.readOnly.Do(func() {
		file, err := f.region.File()
		if err != nil {
			f.readOnlyErr = err
			return
		}
		defer func() { _ = file.Close() }()
		f.readOnlyView, f.readOnlyErr = openReadOnly(file)
	})
	return f.readOnlyView, f.readOnlyErr
}

// mark raises a mark of how far a table was ever used.
func (f *Family) raise(off int, to uint64) {
	for mark := f.word(off); ; {
		have := mark.Load()
		if have >= to || mark.CompareAndSwap(have, to) {
			return
		}
	}
}

// marked returns a mark, checked (FA5).
func (f *Family) marked(off, limit int) int { return int(min(f.word(off).Load(), uint64(limit))) }
