package family

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

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

func (f *Family) holdWord(number int, index uint32) *atomic.Uint64 {
	return f.word(offHolds + number*holdSize + int(index/64)*8)
}

func holdMask(index uint32) uint64 { return 1 << (index % 64) }

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

// enter makes sure that this process is a member until exit.
func (f *Family) enter() (*member, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.member == nil {
		m, err := f.join()
		if err != nil {
			return nil, err
		}
		f.member = m
	}
	f.member.opened++
	return f.member, nil
}

// exit takes enter back. The last one ends the membership (FA8).
func (f *Family) exit(m *member) {
	f.mu.Lock()
	m.opened--
	last := m.opened == 0 && !f.sticky
	if last && f.member == m {
		f.member = nil
	}
	f.mu.Unlock()
	if last {
		m.leave()
	}
}

// keep lets go of an object that is held when nobody has it any more.
func (f *Family) keep(o *Object) {
	m, n := o.member, weight(o)
	heldHere.add(n)
	// In a goroutine, since it may wait for locks.
	o.cleanup = runtime.AddCleanup(o, func(ref Ref) { go f.release(m, ref, n) }, o.ref)
}

// share remembers an object for Open.
func (f *Family) share(o *Object) {
	f.mu.Lock()
	f.objects[o.ref.Index] = weak.Make(o)
	f.mu.Unlock()
}

// Release lets go of an object at once, and not when the garbage collector has found that
// nobody has it. It is for who has it from CreateApart or OpenApart; nobody uses the
// object any more, and nobody calls Release again.
func (o *Object) Release() {
	o.cleanup.Stop()
	o.family.release(o.member, o.ref, weight(o))
	runtime.KeepAlive(o)
}

func (f *Family) release(m *member, ref Ref, n int64) {
	defer heldHere.drop(n)
	f.mu.Lock()
	if have, ok := f.objects[ref.Index]; ok && have.Value() == nil {
		delete(f.objects, ref.Index)
	}
	f.mu.Unlock()
	f.letGo(m, ref.Index, false)
	f.exit(m)
}

// letGo takes one hold back. Within is for dropped.
func (f *Family) letGo(m *member, index uint32, within bool) {
	if m.unhold(index) {
		f.dropped(m, index, within)
	}
	f.freeIfUnheld(m, index)
}

// dropped tells the kind of the object at an index that this member does not hold it any
// more. If a goroutine of this process is in such a call, that one does it afterwards, and
// is waited for, unless the caller may be that one: a call may let go of other objects.
func (f *Family) dropped(m *member, index uint32, within bool) {
	if kind := int(uint8(f.objectWord(index, objState).Load() >> 8)); kind >= len(f.kinds) || f.kinds[kind].Dropped == nil {
		return
	}
	mine := visit{index, make(chan struct{})}
	m.mu.Lock()
	m.visits = append(m.visits, mine)
	if m.visiting {
		m.mu.Unlock()
		if !within {
			<-mine.done
		}
		return
	}
	m.visiting = true
	for len(m.visits) > 0 {
		next := m.visits[0]
		m.visits = m.visits[1:]
		m.mu.Unlock()
		f.visit(m, next.index)
		close(next.done)
		m.mu.Lock()
	}
	m.visiting = false
	m.mu.Unlock()
}

// visit calls Dropped. The member says at which object it looks, before it looks at the
// state, which keeps the memory as a hold would (FA1), and is not one.
func (f *Family) visit(m *member, index uint32) {
	visiting := f.word32(offMembers + m.number*memberSize + memVisiting)
	visiting.Store(index + 1)
	wake.Fence()
	state := f.objectWord(index, objState)
	s := state.Load()
	ref := Ref{Family: f.id, Index: index, Generation: uint32(s >> 16), Kind: uint8(s >> 8)}
	o := &Object{family: f, member: m, ref: ref, state: state, live: s&^0xff | objectLive, visiting: true}
	if status := s & 0xff; (status == objectLive || status == objectClosed) && int(ref.Kind) < len(f.kinds) && f.locate(o) == nil {
		if dropped := f.kinds[ref.Kind].Dropped; dropped != nil {
			dropped(o)
		}
	}
	visiting.Store(0)
	f.freeIfUnheld(m, index)
}

// visited reports whether a member looks at an object without holding it.
func (f *Family) visited(index uint32) bool {
	for number := range f.marked(offMemberMark, MaxMembers) {
		at := offMembers + number*memberSize
		status := f.word(at+memState).Load() & 0xff
		if status != memberAlive && status != memberBuried {
			continue
		}
		if f.word32(at+memVisiting).Load() == index+1 || f.word32(at+memBurying).Load() == index+1 {
			return true
		}
	}
	return false
}

// Beside calls fn with another object of the same family, which is held meanwhile, closed
// or not. It is for the functions of a Kind.
func (o *Object) Beside(ref Ref, fn func(o *Object)) error {
	f, m := o.family, o.member
	if ref.Index >= MaxObjects {
		return fmt.Errorf("%w: reference to object %d", ErrCorrupt, ref.Index)
	}
	other, err := f.view(m, ref)
	if err != nil {
		return err
	}
	defer f.letGo(m, ref.Index, o.visiting)
	fn(other)
	return nil
}

func (m *member) hold(index uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[index]++; m.held[index] == 1 {
		m.family.holdWord(m.number, index).Or(holdMask(index))
	}
}

// unhold takes hold back and reports whether nobody here holds the object any more.
func (m *member) unhold(index uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held[index]--; m.held[index] > 0 {
		return false
	}
	delete(m.held, index)
	m.family.holdWord(m.number, index).And(^holdMask(index))
	return true
}

// Held reports whether any living member holds the object of that name.
func (f *Family) Held(ref Ref) bool {
	for number := range f.marked(offMemberMark, MaxMembers) {
		status := f.word(offMembers+number*memberSize+memState).Load() & 0xff
		if (status == memberAlive || status == memberBuried) && f.holdWord(number, ref.Index).Load()&holdMask(ref.Index) != 0 {
			return true
		}
	}
	return false
}

// Live reports whether the object of that name is live.
func (f *Family) Live(ref Ref) bool {
	return ref.Index < MaxObjects && f.objectWord(ref.Index, objState).Load() == objectState(ref.Generation, ref.Kind, objectLive)
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

// freeIfUnheld gives the memory of a closed object back if nobody holds it (FA1).
func (f *Family) freeIfUnheld(m *member, index uint32) {
	word := f.objectWord(index, objState)
	state := word.Load()
	if state&0xff != objectClosed && state&0xff != objectLeaving {
		return
	}
	a := f.allocator(m)
	if a.lock() != nil {
		return
	}
	defer a.unlock()
	state = word.Load()
	closed := state&^0xff | objectClosed
	leaving := state&^0xff | objectLeaving
	if state != closed && state != leaving { // leaving: who found that out died
		return
	}
	word.Store(leaving)
	wake.Fence()
	ref := Ref{Family: f.id, Index: index, Generation: uint32(state >> 16), Kind: uint8(state >> 8)}
	o := &Object{family: f, member: m, ref: ref, state: word, live: state&^0xff | objectLive}
	if f.Held(ref) || f.visited(index) || int(ref.Kind) >= len(f.kinds) || f.locate(o) == nil && !f.spent(o) {
		word.Store(closed)
		return
	}
	a.free(index)
	word.Store(objectState(ref.Generation+1, 0, objectFree))
}

// discard frees an object that was never finished.
func (f *Family) discard(m *member, index uint32, creating uint64) {
	a := f.allocator(m)
	if a.lock() != nil {
		return
	}
	defer a.unlock()
	if word := f.objectWord(index, objState); word.Load() == creating {
		a.free(index)
		word.Store(objectState(uint32(creating>>16)+1, 0, objectFree))
	}
}
