package family

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/wake"
)

// Ref names an object, in any process.
type Ref struct {
	Family     ID
	Index      uint32
	Generation uint32
	Kind       uint8
}

// Object is an object as this process uses it. Who uses its memory keeps the Object
// reachable until it is done (runtime.KeepAlive): when nobody here has it any more, this
// process lets go of it.
type Object struct {
	family *Family
	member *member
	ref    Ref
	off    int // of the block
	size   int // that was asked for
	state  *atomic.Uint64
	live   uint64 // what state is while the object is live

	once  sync.Once
	local any // what the kind's own package needs of it in this process

	cleanup  runtime.Cleanup // lets go of it; stopped by Release
	visiting bool            // it is that of a call of Kind.Dropped
}

// visit is an object whose kind is to be told that it was dropped.
type visit struct {
	index uint32
	done  chan struct{} // closed when that is done
}

// Local returns what this process keeps with the object, made by the first call.
func (o *Object) Local(make func(o *Object) any) any {
	o.once.Do(func() { o.local = make(o) })
	return o.local
}

// Ref returns the object's name.
func (o *Object) Ref() Ref { return o.ref }

// Region returns the memory in which the object is, from Offset on, Size bytes.
func (o *Object) Region() *shm.Region { return o.family.region }

// Family returns the object's family.
func (o *Object) Family() *Family { return o.family }

// Offset returns where the object begins; a multiple of 128, and of the size of a page if
// the object is that large.
func (o *Object) Offset() int { return o.off }

// Size returns the object's size in bytes.
func (o *Object) Size() int { return o.size }

// Owner returns by which name locks know this process.
func (o *Object) Owner() uint32 { return o.member.owner }

// Number returns the number of this process among the members.
func (o *Object) Number() int { return o.member.number }

// Word returns the word at an offset within the object.
func (o *Object) Word(off int) *atomic.Uint64 { return o.family.region.Uint64(o.off + off) }

// Word32 returns the half word at an offset within the object.
func (o *Object) Word32(off int) *atomic.Uint32 { return o.family.region.Uint32(o.off + off) }

// Bytes returns the object's memory.
func (o *Object) Bytes() []byte { return o.family.region.Bytes()[o.off:][:o.size:o.size] }

// Shape returns what the creator said that both sides must agree on.
func (o *Object) Shape() uint64 { return o.family.objectWord(o.ref.Index, objShape).Load() }

// Closed reports whether somebody has closed the object.
func (o *Object) Closed() bool { return o.state.Load() != o.live }

// Marked returns a number above those of all members that ever were.
func (o *Object) Marked() int { return o.family.marked(offMemberMark, MaxMembers) }

func (f *Family) objectWord(index uint32, off int) *atomic.Uint64 {
	return f.word(offObjects + int(index)*objectSize + off)
}

func (f *Family) objectWord32(index uint32, off int) *atomic.Uint32 {
	return f.word32(offObjects + int(index)*objectSize + off)
}

// Create makes an object of so many bytes, all zero but for what init writes before anybody
// else can open it. The shape is for Object.Shape.
func (f *Family) Create(kind uint8, size int, shape uint64, init func(o *Object)) (*Object, error) {
	o, err := f.CreateApart(kind, size, shape, init)
	if err == nil {
		f.share(o)
	}
	return o, err
}

// CreateApart is Create for an Object that Open gives to nobody else in this process: its
// owner can let go of it with Release.
func (f *Family) CreateApart(kind uint8, size int, shape uint64, init func(o *Object)) (*Object, error) {
	m, err := f.enter()
	if err != nil {
		return nil, err
	}
	o, err := f.create(m, kind, size, shape, init)
	if err != nil {
		f.exit(m)
		return nil, err
	}
	f.keep(o)
	return o, nil
}

func (f *Family) create(m *member, kind uint8, size int, shape uint64, init func(o *Object)) (*Object, error) {
	a := f.allocator(m)
	if err := a.lock(); err != nil {
		return nil, err
	}
	index, generation, err := a.place(kind)
	var off, class int
	if err == nil {
		off, class, err = a.alloc(index, size)
	}
	a.unlock()
	if err != nil {
		return nil, err
	}
	creating := objectState(generation, kind, objectCreating)
	if err := f.region.Reserve(off, size); err != nil {
		f.discard(m, index, creating)
		return nil, fmt.Errorf("family: %w", err)
	}
	block := f.region.Bytes()[off:][:size]
	if class >= largeClass { // it was punched, and has held its place in a list since
		block = block[:8]
	}
	clear(block)
	f.objectWord(index, objSize).Store(uint64(size))
	f.objectWord(index, objShape).Store(shape)
	o := &Object{
		family: f, member: m, off: off, size: size,
		ref:   Ref{Family: f.id, Index: index, Generation: generation, Kind: kind},
		state: f.objectWord(index, objState), live: objectState(generation, kind, objectLive),
	}
	if init != nil {
		init(o)
	}
	m.hold(index)
	f.region.Publishing(offObjects + int(index)*objectSize)
	o.state.Store(o.live)
	return o, nil
}

// Open returns the object of that name. One that is closed can be opened as long as its
// memory has not been given back.
func (f *Family) Open(ref Ref) (*Object, error) {
	if ref.Index >= MaxObjects || int(ref.Kind) >= len(f.kinds) {
		return nil, fmt.Errorf("%w: reference to object %d of kind %d", ErrCorrupt, ref.Index, ref.Kind)
	}
	f.mu.Lock()
	if have, ok := f.objects[ref.Index]; ok {
		if o := have.Value(); o != nil && o.ref == ref {
			f.mu.Unlock()
			return o, nil
		}
	}
	f.mu.Unlock()
	o, err := f.OpenApart(ref)
	if err == nil {
		f.share(o)
	}
	return o, err
}

// OpenApart is Open for an Object of the caller's own; see CreateApart.
func (f *Family) OpenApart(ref Ref) (*Object, error) {
	if ref.Index >= MaxObjects || int(ref.Kind) >= len(f.kinds) {
		return nil, fmt.Errorf("%w: reference to object %d of kind %d", ErrCorrupt, ref.Index, ref.Kind)
	}
	m, err := f.enter()
	if err != nil {
		return nil, err
	}
	o, err := f.view(m, ref)
	if err != nil {
		f.exit(m)
		return nil, err
	}
	f.keep(o)
	return o, nil
}

// view holds an object and returns it (FA1).
func (f *Family) view(m *member, ref Ref) (*Object, error) {
	if int(ref.Kind) >= len(f.kinds) {
		return nil, fmt.Errorf("%w: an object of kind %d", ErrCorrupt, ref.Kind)
	}
	o := &Object{
		family: f, member: m, ref: ref,
		state: f.objectWord(ref.Index, objState), live: objectState(ref.Generation, ref.Kind, objectLive),
	}
	if (o.state.Load()^o.live)&^0xff != 0 { // so that what is there now is not held for nothing
		return nil, fmt.Errorf("%s: %w", f.kinds[ref.Kind].Name, ErrGone)
	}
	m.hold(ref.Index)
	wake.Fence()
	var err error
	if o.state.Load() == objectState(ref.Generation, ref.Kind, objectLeaving) {
		f.freeIfUnheld(m, ref.Index) // we hold it, unless it was too late; or who looked died
	}
	switch state := o.state.Load(); {
	case state == o.live, state == objectState(ref.Generation, ref.Kind, objectClosed):
		err = f.locate(o)
	default:
		err = ErrGone
	}
	if err != nil {
		f.letGo(m, ref.Index, true)
		return nil, fmt.Errorf("%s: %w", f.kinds[ref.Kind].Name, err)
	}
	f.region.Observed(offObjects + int(ref.Index)*objectSize)
	return o, nil
}

// locate reads where the object's block is (FA5).
func (f *Family) locate(o *Object) error {
	off, class := f.objectWord(o.ref.Index, objBlock).Load(), f.objectWord(o.ref.Index, objClass).Load()
	size := f.objectWord(o.ref.Index, objSize).Load()
	if class < smallestClass || class > largestClass || size > 1<<class ||
		off < offBlocks || off%(1<<smallestClass) != 0 || f.region.CheckRange(off, size) != nil {
		return fmt.Errorf("%w: object %d is %d bytes at %d, class %d", ErrCorrupt, o.ref.Index, size, off, class)
	}
	o.off, o.size = int(off), int(size)
	return nil
}

func (f *Family) spent(o *Object) bool {
	spent := f.kinds[o.ref.Kind].Spent
	return spent == nil || spent(o)
}

// Close closes the object for all processes and wakes those that wait, and reports whether
// it was live.
func (o *Object) Close() bool {
	closed := o.state.CompareAndSwap(o.live, objectState(o.ref.Generation, o.ref.Kind, objectClosed))
	if closed {
		wake.Fence()
		if k := o.family.kinds[o.ref.Kind]; k.Wake != nil {
			k.Wake(o)
		}
	}
	runtime.KeepAlive(o)
	return closed
}
