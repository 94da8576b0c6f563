package family

import (
	"context"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/wake"
)

// keep is the goroutine of a member that sees to it that the dead are buried: it watches
// the warden, or is the warden and watches all others.
func (m *member) keep() {
	defer func() { m.ended <- struct{}{} }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-m.gone
		cancel()
	}()
	f := m.family
	warden := f.word32(offWarden)
	for ctx.Err() == nil {
		switch now := warden.Load(); {
		case now == m.owner:
			m.ward(ctx)
		case now == 0 || !f.alive(now):
			warden.CompareAndSwap(now, m.owner)
		default:
			m.watchWarden(ctx, now)
		}
	}
}

// watchWarden returns when the warden is another one, or dead: then this member has tried to
// take its place.
func (m *member) watchWarden(ctx context.Context, owner uint32) {
	f := m.family
	warden := f.word32(offWarden)
	life := f.lifeOf(numberOf(owner))
	defer life.close()
	ended := make(chan struct{})
	go func() {
		life.await()
		close(ended)
	}()
	changed := make(chan struct{})
	waiting, done := context.WithCancel(ctx)
	defer done()
	go func() {
		_ = m.set(offWardenWait).wait(waiting, m, func() bool { return warden.Load() != owner }, nil)
		close(changed)
	}()
	select {
	case <-ended:
		if ctx.Err() == nil {
			warden.CompareAndSwap(owner, m.owner)
		}
	case <-changed:
	}
	life.close()
	done()
	<-ended
	<-changed
}

// ward is what the warden does until it leaves: it watches every member, and buries those
// that die.
func (m *member) ward(ctx context.Context) {
	f := m.family
	m.set(offWardenWait).WakeAll()
	watched := make(map[uint32]*life)
	died := make(chan uint32)
	defer func() {
		for _, l := range watched {
			l.close()
		}
		for len(watched) > 0 {
			delete(watched, <-died)
		}
	}()
	joined := f.word(offJoined)
	for ctx.Err() == nil {
		seen := joined.Load()
		for number := range f.marked(offMemberMark, MaxMembers) {
			state := f.word(offMembers + number*memberSize + memState).Load()
			owner := ownerOf(number, generationOf(state))
			switch state & 0xff {
			case memberAlive:
				if owner == m.owner || watched[owner] != nil {
					continue
				}
				l := f.lifeOf(number)
				watched[owner] = l
				go func() {
					l.await()
					died <- owner
				}()
			case memberJoining:
				// A process that has the number by now only puts it off.
				if !exists(joinerOf(state)) {
					f.word(offMembers+number*memberSize+memState).CompareAndSwap(state, memberState(generationOf(state), memberFree))
				}
			case memberBuried:
				m.bury(number, state) // the last warden died over it
			}
		}
		news := make(chan struct{})
		waiting, done := context.WithCancel(ctx)
		go func() {
			_ = m.set(offJoinedWait).wait(waiting, m, func() bool { return joined.Load() != seen }, nil)
			close(news)
		}()
		select {
		case owner := <-died:
			watched[owner].close()
			delete(watched, owner)
			number := numberOf(owner)
			if state := f.word(offMembers + number*memberSize + memState).Load(); ownerOf(number, generationOf(state)) == owner {
				m.bury(number, state)
			}
		case <-news:
		}
		done()
		<-news
	}
}

// bury repairs what a dead member had (FA2). It may be called again for the same member, by
// another warden.
func (m *member) bury(number int, state uint64) {
	f := m.family
	at := offMembers + number*memberSize
	word := f.word(at + memState)
	generation := generationOf(state)
	if state&0xff == memberAlive && !word.CompareAndSwap(state, memberState(generation, memberBuried)) {
		return // it has left
	}
	dead := Member{number, ownerOf(number, generation), int(f.word(at + memPID).Load())}
	assert.Reach("burying")
	f.allocator(m).bury(dead)
	for index := range uint32(f.marked(offObjectMark, MaxObjects)) {
		f.buryObject(m, index, dead)
	}
	for _, off := range []int{offJoinedWait, offWardenWait} {
		m.set(off).Bury(dead)
	}
	f.word32(at + memVisiting).Store(0)
	f.word32(at + memBurying).Store(0)
	f.ringAll()
	word.CompareAndSwap(memberState(generation, memberBuried), memberState(generation, memberFree))
}

// ringAll wakes one waiter of each set in each process: the dead one may have taken an
// announcement away without ringing for it, so that nothing shows any more who waits.
func (f *Family) ringAll() {
	for number := range f.marked(offMemberMark, MaxMembers) {
		f.poke(number, ^uint64(0))
	}
}

func (d Member) sharesBit() bool { return d.Number >= sharedBit }

// buryObject repairs one object after a death.
func (f *Family) buryObject(m *member, index uint32, dead Member) {
	state := f.objectWord(index, objState)
	s := state.Load()
	switch s & 0xff {
	case objectCreating:
		if f.objectWord32(index, objCreator).Load() == dead.Owner {
			f.discard(m, index, s)
		}
		return
	case objectLive, objectClosed, objectLeaving:
	default:
		return
	}
	// The memory is kept as by a visit, and not by a hold, which would make an object look
	// held that nobody has.
	burying := f.word32(offMembers + m.number*memberSize + memBurying)
	burying.Store(index + 1)
	wake.Fence()
	if s = state.Load(); s&0xff == objectLeaving {
		f.freeIfUnheld(m, index) // not any more, unless it was too late
		s = state.Load()
	}
	ref := Ref{Family: f.id, Index: index, Generation: uint32(s >> 16), Kind: uint8(s >> 8)}
	o := &Object{family: f, member: m, ref: ref, state: state, live: s&^0xff | objectLive}
	there := (s&0xff == objectLive || s&0xff == objectClosed) && int(ref.Kind) < len(f.kinds) && f.locate(o) == nil
	if there && f.kinds[ref.Kind].Repair != nil {
		f.kinds[ref.Kind].Repair(o, dead)
	}
	// Only now, so that nobody frees what is not repaired yet.
	f.holdWord(dead.Number, index).And(^holdMask(index))
	f.word32(offMembers+dead.Number*memberSize+memVisiting).CompareAndSwap(index+1, 0)
	burying.Store(0)
	if there { // else it is gone, half freed, or nothing that this program knows
		f.dropped(m, index, false) // also if this process has it, and if a warden died here
	}
	f.freeIfUnheld(m, index)
}
