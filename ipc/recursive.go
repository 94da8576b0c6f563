package ipc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
)

// Owner is who locks a RecursiveMutex: Go does not tell one goroutine from another, so the
// owner is named. One goroutine at a time uses an Owner; it may own several mutexes. An Owner
// is of its process and does not travel.
type Owner struct{ number uint32 }

// owners counts the owners of this process.
var owners atomic.Uint32

// mostOwners is how many bits an owner's number has: see family.Lock.
const mostOwners = 1<<31 - 1

// NewOwner makes an Owner, which is none of those that this process has made before: only
// the 2^31st is the first again.
func NewOwner() *Owner {
	for {
		if number := owners.Add(1) & mostOwners; number != 0 {
			return &Owner{number}
		}
	}
}

// RecursiveMutex is a lock between processes that its owner may lock again; it is free when
// he has unlocked it as often. Only the owner unlocks it.
//
// It is robust like a Mutex: when the process of the owner dies, the next owner is told
// ErrOwnerDied, until somebody calls MarkConsistent. In Python: multiprocessing.RLock.
//
// All methods may be called together, by different owners.
type RecursiveMutex struct{ handle[recursiveCore] }

const (
	recursiveLock  = 0
	recursiveDepth = 16 // how often the owner has locked it; of no meaning while it is free
	recursiveSize  = 64
)

var recursiveKind = family.Kind{
	Name: "RecursiveMutex",
	Repair: func(o *family.Object, dead family.Member) {
		l := o.LockAt(recursiveLock)
		l.Bury(dead, true) // the next owner sets the depth
	},
	Wake: func(o *family.Object) {
		l := o.LockAt(recursiveLock)
		l.Wake()
	},
}

type recursiveCore struct {
	o     *family.Object
	lock  family.Lock
	depth *atomic.Uint64 // written by the owner
}

func recursiveCoreOf(o *family.Object) *recursiveCore {
	return o.Local(func(o *family.Object) any {
		c := &recursiveCore{o: o, lock: o.LockAt(recursiveLock), depth: o.Word(recursiveDepth)}
		c.lock.Ended = func() bool { return c.o.Closed() }
		return c
	}).(*recursiveCore)
}

// NewRecursiveMutex makes a RecursiveMutex that nobody has.
func NewRecursiveMutex() (*RecursiveMutex, error) {
	o, err := create(kindRecursiveMutex, recursiveSize, 0, nil)
	if err != nil {
		return nil, fail("NewRecursiveMutex", err)
	}
	m := new(RecursiveMutex)
	m.core.Store(recursiveCoreOf(o))
	return m, nil
}

// Lock takes the lock for an owner, or once more if he has it. It waits as long as ctx lasts.
// With ErrOwnerDied the lock is the owner's all the same; see Mutex.LockContext. Other errors
// wrap the cause of ctx's end, or ErrClosed.
func (m *RecursiveMutex) Lock(ctx context.Context, owner *Owner) error {
	c, err := m.get()
	if err == nil && c.o.Closed() {
		err = ErrClosed
	}
	if err != nil {
		return fail("RecursiveMutex.Lock", err)
	}
	defer runtime.KeepAlive(c)
	if c.again(owner) {
		if c.lock.Suspect() {
			return fail("RecursiveMutex.Lock", ErrOwnerDied)
		}
		return nil
	}
	suspect, ok := c.lock.TryLockAs(owner.number)
	if !ok {
		if suspect, err = c.lock.LockAs(ctx, owner.number); err != nil {
			return fail("RecursiveMutex.Lock", err)
		}
	}
	c.depth.Store(1)
	if suspect {
		err = ErrOwnerDied
	}
	return fail("RecursiveMutex.Lock", err)
}

// again locks it once more if the owner has it.
func (c *recursiveCore) again(owner *Owner) bool {
	had := c.lock.HeldAs(owner.number)
	if had {
		c.depth.Add(1)
	}
	return had
}

// TryLock takes the lock for an owner if nobody has it, or once more if he has it, and
// reports whether it did. Of a closed RecursiveMutex it reports false.
func (m *RecursiveMutex) TryLock(owner *Owner) bool {
	c := m.core.Load()
	if c == nil || c.o.Closed() {
		return false
	}
	defer runtime.KeepAlive(c)
	if c.again(owner) {
		return true
	}
	_, ok := c.lock.TryLockAs(owner.number)
	if ok {
		c.depth.Store(1)
	}
	return ok
}

// Unlock takes back one Lock of the owner; the last one frees the lock. The error wraps
// ErrNotLocked if it is not the owner's.
func (m *RecursiveMutex) Unlock(owner *Owner) error {
	c, err := m.get()
	if err != nil {
		return fail("RecursiveMutex.Unlock", err)
	}
	defer runtime.KeepAlive(c)
	if !c.lock.HeldAs(owner.number) {
		return fail("RecursiveMutex.Unlock", ErrNotLocked)
	}
	if depth := c.depth.Load(); depth > 1 {
		c.depth.Store(depth - 1)
		return nil
	}
	assert.Reach("unlocking a recursive lock")
	return fail("RecursiveMutex.Unlock", c.lock.Unlock())
}

// With calls fn with the lock, as Mutex.With does.
func (m *RecursiveMutex) With(ctx context.Context, owner *Owner, fn func(ownerDied bool) error) error {
	err := m.Lock(ctx, owner)
	died := errors.Is(err, ErrOwnerDied)
	if err != nil && !died {
		return err
	}
	defer func() { _ = m.Unlock(owner) }() // it is the owner's, unless he or Close took it away
	if err := fn(died); err != nil {
		return err
	}
	if died {
		return m.MarkConsistent(owner)
	}
	return nil
}

// Suspect reports whether an owner died with the lock and nobody has called MarkConsistent
// since.
func (m *RecursiveMutex) Suspect() bool {
	c := m.core.Load()
	suspect := c != nil && c.lock.Suspect()
	runtime.KeepAlive(c)
	return suspect
}

// MarkConsistent says that what the lock guards is in order again. The error wraps
// ErrNotLocked if the lock is not the owner's.
func (m *RecursiveMutex) MarkConsistent(owner *Owner) error {
	c, err := m.get()
	if err == nil && !c.lock.HeldAs(owner.number) {
		err = ErrNotLocked
	}
	if err == nil {
		c.lock.Trust()
	}
	runtime.KeepAlive(c)
	return fail("RecursiveMutex.MarkConsistent", err)
}

// Depth returns how often the owner has locked it, 0 if the lock is not his.
func (m *RecursiveMutex) Depth(owner *Owner) int {
	c := m.core.Load()
	if c == nil || !c.lock.HeldAs(owner.number) {
		return 0
	}
	depth := int(c.depth.Load())
	runtime.KeepAlive(c)
	return depth
}

// Locked reports whether anybody has the lock now.
func (m *RecursiveMutex) Locked() bool { return m.Owner() != 0 }

// Owner returns the number of the process whose owner has the lock now, 0 if nobody has. It
// is for people who look for the cause of a delay: it may have changed when it is read.
func (m *RecursiveMutex) Owner() (pid int) {
	c := m.core.Load()
	if c == nil {
		return 0
	}
	owner, _ := c.lock.Owner()
	pid = pidOf(c.o, owner)
	runtime.KeepAlive(c)
	return pid
}

// String tells who has the lock.
func (m *RecursiveMutex) String() string {
	if pid := m.Owner(); pid != 0 {
		return fmt.Sprintf("RecursiveMutex(process %d)", pid)
	}
	return "RecursiveMutex(free)"
}

// Close ends the RecursiveMutex for all processes: who waits for it gets ErrClosed. Another
// process that has it can still unlock it. A second Close does nothing.
func (m *RecursiveMutex) Close() error {
	if c := m.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (m *RecursiveMutex) MarshalCBOR() ([]byte, error) {
	c, err := m.get()
	if err != nil {
		return nil, fail("encoding a RecursiveMutex", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), 0), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (m *RecursiveMutex) UnmarshalCBOR(data []byte) error {
	o, err := openSized(data, kindRecursiveMutex, recursiveSize)
	if err != nil {
		return fail("decoding a RecursiveMutex", err)
	}
	m.core.Store(recursiveCoreOf(o))
	return nil
}
