package family

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"weak"

	"github.com/futures-go/futures/internal/wake"
)

// Here is who holds objects, how a process lets go of one, and when its memory goes back.

func (f *Family) holdWord(number int, index uint32) *atomic.Uint64 {
	return f.word(offHolds + number*holdSize + int(index/64)*8)
}

func holdMask(index uint32) uint64 { return 1 << (index % 64) }

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
