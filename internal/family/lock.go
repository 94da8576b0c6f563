package family

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/wake"
)

// Lock is a lock between processes whose owner may die. It is 16 bytes in shared memory:
//
//	0  owner: the member in the lower 32 bits, 0 if it is free; above them a number
//	   of the member's own, of 31 bits; the highest bit: the last owner died with it
//	8  wait set
//
// A Lock is this process's way to it, and is not to be copied after its first use.
type Lock struct {
	word *atomic.Uint64
	set  WaitSet
	off  int
	me   uint64
	spin wake.Spin
	// Ended tells those who wait that there is nothing to wait for any more; nil for never.
	Ended func() bool

	turn sync.Mutex // of goroutines here to spin for it: the others are queued by it, which is cheap
}

const suspectBit = 1 << 63

// ErrEnded says that Lock.Ended has reported true.
var ErrEnded = errors.New("nothing to wait for")

// ErrNotOwner says that a lock is not the caller's to unlock.
var ErrNotOwner = errors.New("lock is not held by this process")

// LockAt returns the lock at an offset within the object.
func (o *Object) LockAt(off int) Lock { return o.member.lockAt(o.off + off) }

func (m *member) lockAt(off int) Lock {
	return Lock{
		word: m.family.word(off), set: m.set(off + 8), off: off, me: uint64(m.owner),
		spin: wake.Spin{Max: wake.DefaultSpin, Goroutines: true},
	}
}

// TryLock takes the lock if it is free (FA3). Suspect says that the last owner died with it,
// or one before him, and that nobody has called Trust since.
func (l *Lock) TryLock() (suspect, ok bool) { return l.tryAs(l.me) }

func (l *Lock) tryAs(me uint64) (suspect, ok bool) {
	old := l.word.Load()
	if old&^suspectBit != 0 || !l.word.CompareAndSwap(old, old|me) {
		return false, false
	}
	assert.Reach("locked")
	l.set.member.family.region.Observed(l.off)
	return old != 0, true
}

// Lock takes the lock, waiting for it as long as ctx lasts.
func (l *Lock) Lock(ctx context.Context) (suspect bool, err error) {
	if l.word.CompareAndSwap(0, l.me) {
		assert.Reach("locked")
		l.set.member.family.region.Observed(l.off)
		return false, nil
	}
	return l.lockSlowly(ctx, l.me)
}

// LockAs is Lock for an owner within this process, whose number is not 0.
func (l *Lock) LockAs(ctx context.Context, number uint32) (suspect bool, err error) {
	return l.lockSlowly(ctx, l.me|uint64(number&(1<<31-1))<<32)
}

// TryLockAs is TryLock for an owner within this process.
func (l *Lock) TryLockAs(number uint32) (suspect, ok bool) {
	return l.tryAs(l.me | uint64(number&(1<<31-1))<<32)
}

// HeldAs reports whether an owner within this process has the lock.
func (l *Lock) HeldAs(number uint32) bool {
	return l.word.Load()&^suspectBit == l.me|uint64(number&(1<<31-1))<<32
}

func (l *Lock) lockSlowly(ctx context.Context, me uint64) (suspect bool, err error) {
	ok, ended := false, false
	try := func() bool {
		if !ok && !ended {
			suspect, ok = l.tryAs(me)
			ended = !ok && l.Ended != nil && l.Ended()
		}
		return ok || ended
	}
	l.turn.Lock()
	l.spin.Until(try)
	l.turn.Unlock()
	if !ok && !ended {
		err = l.set.Wait(ctx, try, func() bool { return ended })
	}
	if ended {
		err = ErrEnded
	}
	return suspect, err
}

// Unlock frees the lock, whoever of this process took it. It wakes one that waits.
func (l *Lock) Unlock() error {
	l.set.member.family.region.Publishing(l.off)
	if !l.word.CompareAndSwap(l.me, 0) {
		for {
			old := l.word.Load()
			if uint32(old) != uint32(l.me) {
				return ErrNotOwner
			}
			if l.word.CompareAndSwap(old, old&suspectBit) {
				break
			}
		}
	}
	assert.Reach("unlocked, nobody woken")
	l.set.WakeOne()
	return nil
}

// Trust says that what the lock guards is in order again. The caller has the lock.
func (l *Lock) Trust() { l.word.And(^uint64(suspectBit)) }

// Suspect reports whether an owner died with the lock and nobody has called Trust since.
func (l *Lock) Suspect() bool { return l.word.Load()&suspectBit != 0 }

// Owner returns who has the lock: the member's name, 0 if nobody has it, and its own number.
func (l *Lock) Owner() (owner, number uint32) {
	word := l.word.Load()
	return uint32(word), uint32(word &^ suspectBit >> 32)
}

// Mine reports whether this process has the lock.
func (l *Lock) Mine() bool { return uint32(l.word.Load()) == uint32(l.me) }

// Bury frees the lock if the dead member had it, and wakes all who wait for it. With suspect
// set the next owner finds that out. It reports whether the dead member had it.
func (l *Lock) Bury(dead Member, suspect bool) (had bool) {
	free := uint64(0)
	if suspect {
		free = suspectBit
	}
	for {
		old := l.word.Load()
		if uint32(old) != dead.Owner {
			break
		}
		if had = l.word.CompareAndSwap(old, old&suspectBit|free); had {
			break
		}
	}
	l.set.Bury(dead)
	return had
}

// Wake wakes all who wait for the lock, because Ended reports true.
func (l *Lock) Wake() { l.set.WakeAll() }
