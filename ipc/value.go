package ipc

import (
	"fmt"
	"reflect"
	"runtime"

	"github.com/futures-go/futures/internal/wake"
)

// Value is one value in shared memory, for processes and goroutines to use together. T has a
// fixed size and no pointers: a bool, a number, or an array or struct of such. In Python:
// multiprocessing.Value, RawValue.
//
// Each method is one atomic step, as those of sync/atomic are, and orders memory as they do. A
// T of at most 8 bytes is in one word. A larger one is there twice, so that a process that is
// killed while it writes leaves the last whole value, and nobody waits for it (V2); readers
// do not wait for writers.
//
// For several steps that belong together there is a lock in the Value: see Mutex. The methods
// do not take it.
//
// All methods may be called together. After Close they panic with an error that wraps
// ErrClosed, but for those that say otherwise.
type Value[T any] struct {
	handle[valueCore]
	shape *shape // set before core
}

// NewValue makes a Value. The error names the field if T cannot be in shared memory, and
// wraps errors.ErrUnsupported where there is none of this kind.
func NewValue[T any](initial T) (*Value[T], error) {
	v := &Value[T]{shape: shapeOf[T]()}
	if v.shape.err != nil {
		return nil, fail("NewValue", v.shape.err)
	}
	c, err := newValueCore(v.shape, bytesOf(&initial))
	if err != nil {
		return nil, fail("NewValue", err)
	}
	v.core.Store(c)
	return v, nil
}

// open returns the core. It panics if there is none.
func (v *Value[T]) open(method string) *valueCore {
	c := v.core.Load()
	if c == nil {
		panicClosed(method)
	}
	return c
}

// panicClosed panics with what is said of a handle without a core.
//
//go:noinline
func panicClosed(method string) { panic(fail(method, ErrClosed)) }

// Load returns the value.
func (v *Value[T]) Load() T {
	c := v.open("Value.Load")
	defer runtime.KeepAlive(c)
	value, _ := load[T](c)
	return value
}

// load returns the value, and by what replace knows that it is still that one: the whole
// cell, or the number of the value.
func load[T any](c *valueCore) (value T, version uint64) {
	if c.cell != nil {
		version = c.cell.Load()
		value = ofBits[T](version)
	} else {
		version = c.load(bytesOf(&value))
	}
	c.region.Observed(c.at)
	return value, version
}

// replace stores a value if the one that load returned is still there.
func replace[T any](c *valueCore, value T, version uint64) bool {
	c.region.Publishing(c.at)
	if c.cell != nil {
		return c.cell.CompareAndSwap(version, bitsOf(value))
	}
	return c.replace(bytesOf(&value), version)
}

// Store sets the value.
func (v *Value[T]) Store(value T) {
	c := v.open("Value.Store")
	defer runtime.KeepAlive(c)
	c.region.Publishing(c.at)
	if c.cell != nil {
		c.cell.Store(bitsOf(value))
		wake.Fence()
		return
	}
	c.swap(bytesOf(&value), nil)
}

// Swap sets the value and returns what it was.
func (v *Value[T]) Swap(value T) (old T) {
	c := v.open("Value.Swap")
	defer runtime.KeepAlive(c)
	c.region.Publishing(c.at)
	if c.cell != nil {
		old = ofBits[T](c.cell.Swap(bitsOf(value)))
	} else {
		c.swap(bytesOf(&value), bytesOf(&old))
	}
	c.region.Observed(c.at)
	return old
}

// CompareAndSwap sets the value if it is equal to old, and reports whether it did. Equal is
// what == says of two T: a NaN equals nothing, and negative zero is zero.
func (v *Value[T]) CompareAndSwap(old, value T) bool {
	c := v.open("Value.CompareAndSwap")
	defer runtime.KeepAlive(c)
	for {
		now, version := load[T](c)
		if any(now) != any(old) {
			return false
		}
		if replace(c, value, version) {
			return true
		}
	}
}

// Add adds to a number and returns the sum. Integers wrap around, as in Go. If T is no
// number, Add panics.
func (v *Value[T]) Add(delta T) T {
	c := v.core.Load()
	if c == nil {
		panicClosed("Value.Add")
	}
	if !v.shape.integer {
		return v.addSlowly(c, delta)
	}
	// The carry of a smaller integer gets into the bytes of the cell that nobody looks at.
	c.region.Publishing(c.at)
	value := ofBits[T](c.cell.Add(bitsOf(delta)))
	c.region.Observed(c.at)
	runtime.KeepAlive(c)
	return value
}

func (v *Value[T]) addSlowly(c *valueCore, delta T) T {
	switch kind := v.shape.kind; kind {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return update(c, func(now T) T { return sum(kind, now, delta) })
	}
	panic(fmt.Sprintf("ipc: Value.Add: %v is no number; see Update", reflect.TypeFor[T]()))
}

// Update sets the value to what fn makes of it, and returns that. When another one changes
// the value meanwhile, fn is called again with the new one: it should be short, and have no
// effect of its own. No lock is held while it runs, so that it may use this Value too; if it
// panics, nothing has changed.
func (v *Value[T]) Update(fn func(T) T) T {
	return update(v.open("Value.Update"), fn)
}

func update[T any](c *valueCore, fn func(T) T) T {
	defer runtime.KeepAlive(c)
	for {
		now, version := load[T](c)
		next := fn(now)
		if replace(c, next, version) {
			return next
		}
	}
}

// Mutex returns the Value's lock, for whoever wants to do several steps as one. It is one
// lock for all handles of this Value in all processes, it travels like other locks, and it
// ends with the Value; closing it ends that handle only. Of a closed Value it is a closed
// Mutex. In Python: get_lock.
func (v *Value[T]) Mutex() *Mutex {
	m := new(Mutex)
	if c := v.core.Load(); c != nil {
		m.core.Store(&c.mutex)
	}
	return m
}

// Closed reports whether any process has closed the Value.
func (v *Value[T]) Closed() bool {
	c := v.core.Load()
	closed := c == nil || c.o.Closed()
	runtime.KeepAlive(c)
	return closed
}

// String describes the Value.
func (v *Value[T]) String() string {
	if v.core.Load() == nil {
		return "Value(closed)"
	}
	return fmt.Sprintf("Value(%v)", v.Load())
}

// Close says that no more handles of the Value are opened, in any process: what is on its
// way decodes to ErrGone. This handle is of no use any more. Other handles that are open work
// until they are closed or dropped, and then the memory is given back. A second Close does
// nothing.
func (v *Value[T]) Close() error {
	if c := v.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (v *Value[T]) MarshalCBOR() ([]byte, error) {
	c, err := v.get()
	if err != nil {
		return nil, fail("encoding a Value", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), partWhole), nil
}

// UnmarshalCBOR implements the decoding of handles. The error wraps ErrMismatch if the Value
// was made for another T.
func (v *Value[T]) UnmarshalCBOR(data []byte) error {
	s := shapeOf[T]()
	o, err := openLive(data, kindValue)
	if err == nil {
		err = s.agree(o.Shape(), reflect.TypeFor[T]())
	}
	if err != nil {
		return fail("decoding a Value", err)
	}
	c, err := valueCoreOf(o)
	if err == nil && c.size != s.size {
		err = fmt.Errorf("%w: a value of %d bytes instead of %d", ErrCorrupt, c.size, s.size)
	}
	if err != nil {
		return fail("decoding a Value", err)
	}
	v.shape = s
	v.core.Store(c)
	return nil
}
