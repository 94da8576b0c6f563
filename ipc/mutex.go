package ipc

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/futures-go/futures/internal/family"
)

// Mutex is a lock between processes. It is robust: when the process that has it dies, it is
// free again within a fraction of a millisecond, and the next owner is told ErrOwnerDied,
// because what the lock guards may be half changed.
//
// The owner is a process: any goroutine of it may unlock. A Mutex is a [sync.Locker]; who
// wants to hear of dead owners, closed locks and the end of a context uses LockContext. In
// Python: multiprocessing.Lock.
//
// It is not fair: who takes it again and again in a loop, with nothing in between, may keep
// others out for a while.
//
// All methods may be called together.
type Mutex struct{ handle[mutexCore] }

const (
	mutexLock = 0
	mutexSize = 64
)

type mutexCore struct {
	o    *family.Object
	lock family.Lock
	part uint8 // of the object
}

// bind makes c the lock at an offset within an object.
func (c *mutexCore) bind(o *family.Object, off int, part uint8) {
	c.o, c.lock, c.part = o, o.LockAt(off), part
	c.lock.Ended = func() bool { return c.o.Closed() }
}

var mutexKind = family.Kind{
	Name: "Mutex",
	Repair: func(o *family.Object, dead family.Member) {
		l := o.LockAt(mutexLock)
		l.Bury(dead, true)
	},
	Wake: func(o *family.Object) {
		l := o.LockAt(mutexLock)
		l.Wake()
	},
}

func mutexCoreOf(o *family.Object) *mutexCore {
	return o.Local(func(o *family.Object) any {
		c := new(mutexCore)
		c.bind(o, mutexLock, partWhole)
		return c
	}).(*mutexCore)
}

// openMutex opens the lock that a handle leads to: a Mutex, or one in a Value or an Array.
func openMutex(data []byte) (*mutexCore, error) {
	ref, part, err := parseHandle(data)
	kind := kindMutex
	if err == nil && part == partMutex && (ref.Kind == kindValue || ref.Kind == kindArray) {
		kind = ref.Kind
	} else if err == nil && part != partWhole {
		err = fmt.Errorf("%w: a handle of kind %d, part %d", ErrMismatch, ref.Kind, part)
	}
	if err != nil {
		return nil, err
	}
	o, _, err := openHandle(data, kind)
	if err != nil {
		return nil, err
	}
	switch kind {
	case kindValue:
		c, err := valueCoreOf(o)
		return &c.mutex, err
	case kindArray:
		c, err := arrayCoreOf(o)
		return &c.mutex, err
	}
	return mutexCoreOf(o), nil
}

// NewMutex makes a Mutex that nobody has.
func NewMutex() (*Mutex, error) {
	o, err := create(kindMutex, mutexSize, 0, nil)
	if err != nil {
		return nil, fail("NewMutex", err)
	}
	m := new(Mutex)
	m.core.Store(mutexCoreOf(o))
	return m, nil
}

// LockContext takes the lock, waiting for it as long as ctx lasts. With ErrOwnerDied the lock
// is the caller's all the same: it looks after what the lock guards, and calls MarkConsistent;
// until somebody has, every owner is told. Other errors wrap the cause of ctx's end, or
// ErrClosed.
func (m *Mutex) LockContext(ctx context.Context) error {
	c, err := m.get()
	if err == nil && c.o.Closed() {
		err = ErrClosed
	}
	if err != nil {
		return fail("Mutex.LockContext", err)
	}
	suspect, err := c.lock.Lock(ctx)
	if err == nil && suspect {
		err = ErrOwnerDied
	}
	runtime.KeepAlive(c)
	return fail("Mutex.LockContext", err)
}

// Lock takes the lock, waiting for it. It does not tell whether the last owner died: see
// Suspect. It panics if the Mutex is closed.
func (m *Mutex) Lock() {
	c := m.core.Load()
	if c == nil || c.o.Closed() {
		panic(fail("Mutex.Lock", ErrClosed))
	}
	if _, err := c.lock.Lock(context.Background()); err != nil {
		panic(fail("Mutex.Lock", err))
	}
	runtime.KeepAlive(c)
}

// TryLock takes the lock if nobody has it, and reports whether it did. Of a closed Mutex it
// reports false.
func (m *Mutex) TryLock() bool {
	c := m.core.Load()
	if c == nil || c.o.Closed() {
		return false
	}
	_, ok := c.lock.TryLock()
	runtime.KeepAlive(c)
	return ok
}

// Release frees the lock. The error wraps ErrNotLocked if this process does not have it.
func (m *Mutex) Release() error {
	c, err := m.get()
	if err == nil {
		err = c.lock.Unlock()
	}
	runtime.KeepAlive(c)
	return fail("Mutex.Release", err)
}

// Unlock is Release for sync.Locker: it panics, with the error, where Release returns one. A
// program can recover from that, unlike from the Unlock of an unlocked sync.Mutex.
func (m *Mutex) Unlock() {
	if err := m.Release(); err != nil {
		panic(err)
	}
}

// With calls fn with the lock. What LockContext returns is returned without a call, but for
// ErrOwnerDied, which is given to fn: if fn returns nil, the state counts as consistent.
func (m *Mutex) With(ctx context.Context, fn func(ownerDied bool) error) error {
	err := m.LockContext(ctx)
	died := errors.Is(err, ErrOwnerDied)
	if err != nil && !died {
		return err
	}
	defer m.Unlock()
	if err := fn(died); err != nil {
		return err
	}
	if died {
		m.MarkConsistent()
	}
	return nil
}

// Suspect reports whether an owner died with the lock and nobody has called MarkConsistent
// since.
func (m *Mutex) Suspect() bool {
	c := m.core.Load()
	suspect := c != nil && c.lock.Suspect()
	runtime.KeepAlive(c)
	return suspect
}

// MarkConsistent says that what the lock guards is in order again. It panics if this process
// does not have the lock.
func (m *Mutex) MarkConsistent() {
	c := m.core.Load()
	if c == nil || !c.lock.Mine() {
		panic(fail("Mutex.MarkConsistent", ErrNotLocked))
	}
	c.lock.Trust()
	runtime.KeepAlive(c)
}

// Locked reports whether any process has the lock now.
func (m *Mutex) Locked() bool { return m.Owner() != 0 }

// Owner returns the number of the process that has the lock now, 0 if none has. It is for
// people who look for the cause of a delay: it may have changed when it is read.
func (m *Mutex) Owner() (pid int) {
	c := m.core.Load()
	if c == nil {
		return 0
	}
	owner, _ := c.lock.Owner()
	pid = pidOf(c.o, owner)
	runtime.KeepAlive(c)
	return pid
}

// pidOf returns the process number of a lock's owner, 0 for none.
func pidOf(o *family.Object, owner uint32) int {
	for _, m := range o.Family().Members() {
		if m.Owner == owner && owner != 0 {
			return m.PID
		}
	}
	return 0
}

// String tells who has the lock.
func (m *Mutex) String() string {
	if pid := m.Owner(); pid != 0 {
		return fmt.Sprintf("Mutex(process %d)", pid)
	}
	return "Mutex(free)"
}

// Close ends the Mutex for all processes: who waits for it gets ErrClosed. Another process
// that has it can still release it. Of the Mutex of a Value or an Array, which ends with that,
// it ends this handle only. A second Close does nothing.
func (m *Mutex) Close() error {
	if c := m.core.Swap(nil); c != nil && c.part == partWhole {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (m *Mutex) MarshalCBOR() ([]byte, error) {
	c, err := m.get()
	if err != nil {
		return nil, fail("encoding a Mutex", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), c.part), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (m *Mutex) UnmarshalCBOR(data []byte) error {
	c, err := openMutex(data)
	if err != nil {
		return fail("decoding a Mutex", err)
	}
	m.core.Store(c)
	return nil
}
