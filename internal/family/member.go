package family

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/wake"
)

// Member names a process of a family.
type Member struct {
	Number int
	Owner  uint32 // by which locks name it
	PID    int
}

// member is this process as a member of a family.
type member struct {
	family     *Family
	number     int
	owner      uint32
	generation uint64
	bit        uint64 // in wait sets
	shared     bool   // the bit is also that of others

	sleeping *atomic.Uint32
	rung     *atomic.Uint64
	quit     atomic.Bool   // the goroutines are to end
	gone     chan struct{} // closed by leave, before it waits for them
	lot      lot

	ended  chan struct{} // gets a value from each of the two goroutines
	opened int           // objects that users have; guarded by Family.mu

	mu       sync.Mutex     // guards the fields below
	held     map[uint32]int // by object: who of this process uses it
	visits   []visit        // objects whose kinds are to be told that they were dropped
	visiting bool           // a goroutine does that
}

// sharedBit is the bit of all members from that number on.
const sharedBit = 63

func bitOf(number int) uint64 { return 1 << min(number, sharedBit) }

// join makes this process a member. The caller holds f.mu.
func (f *Family) join() (*member, error) {
	start, err := startTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	for number := range MaxMembers {
		at := offMembers + number*memberSize
		state := f.word(at + memState)
		old := state.Load()
		if old&0xff != memberFree {
			continue
		}
		generation := uint64(uint32(generationOf(old) + 1))
		// Who dies from here to alive is not known yet: the state says who it was.
		if !state.CompareAndSwap(old, memberState(generation, memberJoining)|uint64(os.Getpid())<<8) {
			continue
		}
		assert.Reach("joining")
		m := &member{
			family: f, number: number, owner: ownerOf(number, generation), generation: generation,
			bit: bitOf(number), shared: number >= sharedBit,
			sleeping: f.word32(at + memSleeping), rung: f.word(at + memRung),
			gone: make(chan struct{}), ended: make(chan struct{}, 2), held: make(map[uint32]int),
		}
		m.sleeping.Store(0)
		m.rung.Store(0)
		f.word32(at + memVisiting).Store(0)
		f.word32(at + memBurying).Store(0)
		holds := f.region.Bytes()[offHolds+number*holdSize:][:holdSize]
		clear(holds)
		f.word(at + memPID).Store(uint64(os.Getpid()))
		f.word(at + memStart).Store(start)
		f.raise(offMemberMark, uint64(number+1))
		state.Store(memberState(generation, memberAlive))
		go m.listen()
		go m.keep()
		f.tellWarden(m)
		return m, nil
	}
	return nil, errors.New("family: no room for more processes")
}

// leave ends the membership. All objects have been let go.
func (m *member) leave() {
	f := m.family
	m.quit.Store(true)
	close(m.gone)
	m.sleeping.Store(0)
	wake.FutexWake(m.sleeping, 1)
	<-m.ended
	<-m.ended
	// What it has let go of locked, or with permits in hand, is repaired as after a death: by
	// the warden, or the next one.
	state := f.word(offMembers + m.number*memberSize + memState)
	state.CompareAndSwap(memberState(m.generation, memberAlive), memberState(m.generation, memberBuried))
	// The warden's place is given up last, since who takes it looks at all members.
	if f.word32(offWarden).CompareAndSwap(m.owner, 0) {
		m.set(offWardenWait).WakeAll()
	} else {
		f.tellWarden(m)
	}
}

// tellWarden has the warden look at all members.
func (f *Family) tellWarden(m *member) {
	f.word(offJoined).Add(1)
	// Not WakeAll: who dies with the warden's announcement, before the warden knows of him,
	// would leave it deaf to all who come later. If the warden is another one by now, it has
	// yet to look who is there.
	if warden := numberOf(f.word32(offWarden).Load()); warden >= 0 && warden < MaxMembers {
		f.poke(warden, 1<<m.set(offJoinedWait).hash())
	}
}

// listen is the listener: it sleeps on the futex and hands wake-ups to goroutines.
func (m *member) listen() {
	defer func() { m.ended <- struct{}{} }()
	ready := func() bool { return m.rung.Load() != 0 || m.quit.Load() }
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for !m.quit.Load() {
		if err := wake.Sleep(m.sleeping, ready); err != nil {
			return // no futexes: nobody gets here, for there is no memory either
		}
		m.lot.dispatch(m, m.rung.Swap(0))
	}
}

// ring notes that a wait set was rung in the word of a member, and wakes its thread.
func (f *Family) ring(number, hash int) {
	at := offMembers + number*memberSize
	f.word(at + memRung).Or(1 << hash)
	wake.Wake(f.word32(at + memSleeping))
}

// asked is what the word of a sleeping listener is for one who dies before he has woken it: it
// does not sleep then, or the next one wakes it.
const asked = 2

// poke rings a member whether its listener has announced itself or not: who was to wake it may
// have died after he took the announcement away.
func (f *Family) poke(number int, rung uint64) {
	at := offMembers + number*memberSize
	f.word(at + memRung).Or(rung)
	f.word32(at + memSleeping).Store(asked)
	assert.Reach("listener asked, not woken")
	wake.FutexWake(f.word32(at+memSleeping), 1)
}

// alive reports whether a member with that owner is alive, as far as is known here.
func (f *Family) alive(owner uint32) bool {
	number := numberOf(owner)
	if number < 0 || number >= MaxMembers {
		return false
	}
	state := f.word(offMembers + number*memberSize + memState).Load()
	return state&0xff == memberAlive && ownerOf(number, generationOf(state)) == owner
}

// Members returns the processes that are members now.
func (f *Family) Members() (all []Member) {
	for number := range f.marked(offMemberMark, MaxMembers) {
		at := offMembers + number*memberSize
		if state := f.word(at + memState).Load(); state&0xff == memberAlive {
			all = append(all, Member{number, ownerOf(number, generationOf(state)), int(f.word(at + memPID).Load())})
		}
	}
	return all
}
