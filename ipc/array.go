package ipc

import (
	"fmt"
	"reflect"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/internal/family"
)

// Array is a fixed number of values in shared memory. T is as for Value. In Python:
// multiprocessing.Array, RawArray.
//
// The elements are plain memory, like those of a slice that goroutines share: who writes one
// while another reads or writes it must have agreed on how. Processes can each have a part of
// their own; or take the lock that is in the Array (see Mutex); or have elements of package
// sync/atomic, Array[atomic.Int64] for example. What a process has written is seen by whoever
// learns of it through this package or a task's result. The race detector does not look at
// this memory.
//
// All pages exist when NewArray returns: touching them cannot fail later. That takes about
// half a second for each GiB.
//
// All methods may be called together. After Close they panic with an error that wraps
// ErrClosed, but for those that say otherwise.
type Array[T any] struct {
	handle[arrayCore]
	lent atomic.Pointer[arrayCore] // the core of slices that were given out: kept as long as this handle (V4)
}

// The words of an Array.
const (
	arrayLength = 0  // elements, by its creator
	arrayElem   = 8  // bytes of one, by its creator
	arrayMutex  = 64 // the users' lock
	arrayData   = 128
)

// mostBytes is how much an object may hold: more than there are addresses for in a family.
const mostBytes = 1 << 36

// arrayCore is an Array as this process uses it.
type arrayCore struct {
	o     *family.Object
	mutex mutexCore
	err   error // the memory is corrupt, and nothing below is set
	data  []byte
	n     int // elements
	size  int // of one
}

var arrayKind = family.Kind{
	Name: "Array",
	Repair: func(o *family.Object, dead family.Member) {
		if o.Size() >= arrayData {
			mutex := o.LockAt(arrayMutex)
			mutex.Bury(dead, true)
		}
	},
	Wake: func(o *family.Object) {
		if o.Size() >= arrayData {
			mutex := o.LockAt(arrayMutex)
			mutex.Wake()
		}
	},
}

func arrayCoreOf(o *family.Object) (*arrayCore, error) {
	c := o.Local(func(o *family.Object) any {
		c := &arrayCore{o: o}
		c.err = c.bind(o)
		return c
	}).(*arrayCore)
	return c, c.err
}

func (c *arrayCore) bind(o *family.Object) error {
	if o.Size() < arrayData {
		return fmt.Errorf("%w: an Array of %d bytes", ErrCorrupt, o.Size())
	}
	n, size, room := o.Word(arrayLength).Load(), o.Word(arrayElem).Load(), uint64(o.Size()-arrayData)
	if size == 0 || n > room/size {
		return fmt.Errorf("%w: an Array of %d elements of %d bytes in %d", ErrCorrupt, n, size, room)
	}
	c.mutex.bind(o, arrayMutex, partMutex)
	c.n, c.size = int(n), int(size)
	c.data = o.Bytes()[arrayData:][: c.n*c.size : c.n*c.size]
	return nil
}

// NewArray makes an Array of n zero values. The error names the field if T cannot be in
// shared memory, wraps ErrTooLarge if there is not so much memory, and wraps
// errors.ErrUnsupported where there is none of this kind.
func NewArray[T any](n int) (*Array[T], error) { return newArray[T]("NewArray", n, nil) }

// NewArrayFrom makes an Array with a copy of values. The errors are those of NewArray.
func NewArrayFrom[T any](values []T) (*Array[T], error) {
	return newArray("NewArrayFrom", len(values), values)
}

func newArray[T any](method string, n int, values []T) (*Array[T], error) {
	s := shapeOf[T]()
	switch {
	case s.err != nil:
		return nil, fail(method, s.err)
	case n < 0:
		return nil, fail(method, fmt.Errorf("negative length %d", n))
	case n > mostBytes/s.size:
		return nil, fail(method, fmt.Errorf("%w: %d elements of %d bytes", ErrTooLarge, n, s.size))
	}
	o, err := createLarge(kindArray, arrayData+n*s.size, s.hash, func(o *family.Object) {
		o.Word(arrayLength).Store(uint64(n))
		o.Word(arrayElem).Store(uint64(s.size))
		copy(sliceOf[T](o.Bytes()[arrayData:], n), values)
	})
	if err != nil {
		return nil, fail(method, err)
	}
	c, err := arrayCoreOf(o)
	if err != nil {
		return nil, fail(method, err)
	}
	a := new(Array[T])
	a.core.Store(c)
	return a, nil
}

// open returns the core and the elements. It panics if there is none.
func (a *Array[T]) open(method string) (*arrayCore, []T) {
	c := a.core.Load()
	if c == nil {
		panicClosed(method)
	}
	return c, sliceOf[T](c.data, c.n)
}

// Len returns how many elements there are, 0 after Close.
func (a *Array[T]) Len() int {
	if c := a.core.Load(); c != nil {
		return c.n
	}
	return 0
}

// At returns element i. An index out of range panics, as that of a slice does.
func (a *Array[T]) At(i int) T {
	c, s := a.open("Array.At")
	v := s[i]
	runtime.KeepAlive(c)
	return v
}

// Set sets element i. An index out of range panics, as that of a slice does.
func (a *Array[T]) Set(i int, v T) {
	c, s := a.open("Array.Set")
	s[i] = v
	runtime.KeepAlive(c)
}

// Slice returns the elements themselves: what is written to them is in the memory that all
// processes see, and nothing is copied. The slice may be used as long as the Array is reachable,
// also after Close (V4). Using it later never faults, but it reads zeros or what is
// there then, and writing destroys that: where the Array itself is not used any more,
// runtime.KeepAlive says how long it is needed; or see View.
//
// Appending to the slice makes a copy.
func (a *Array[T]) Slice() []T {
	c, s := a.open("Array.Slice")
	if a.lent.Load() != c {
		a.lent.Store(c)
	}
	return s[:len(s):len(s)]
}

// View calls fn with the elements themselves, which are there until it returns, and returns
// its error. After Close it returns an error that wraps ErrClosed without a call.
func (a *Array[T]) View(fn func([]T) error) error {
	c, err := a.get()
	if err != nil {
		return fail("Array.View", err)
	}
	defer runtime.KeepAlive(c)
	return fn(sliceOf[T](c.data, c.n))
}

// Mutex returns the Array's lock: see Value.Mutex.
func (a *Array[T]) Mutex() *Mutex {
	m := new(Mutex)
	if c := a.core.Load(); c != nil {
		m.core.Store(&c.mutex)
	}
	return m
}

// Closed reports whether any process has closed the Array.
func (a *Array[T]) Closed() bool {
	c := a.core.Load()
	closed := c == nil || c.o.Closed()
	runtime.KeepAlive(c)
	return closed
}

// String describes the Array.
func (a *Array[T]) String() string {
	return fmt.Sprintf("Array(%d of %v)", a.Len(), reflect.TypeFor[T]())
}

// Close says that no more handles of the Array are opened, in any process: what is on its
// way decodes to ErrGone. This handle is of no use any more, but slices of it are: see Slice.
// Other handles that are open work until they are closed or dropped, and then the memory is
// given back. A second Close does nothing.
func (a *Array[T]) Close() error {
	if c := a.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (a *Array[T]) MarshalCBOR() ([]byte, error) {
	c, err := a.get()
	if err != nil {
		return nil, fail("encoding an Array", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), partWhole), nil
}

// UnmarshalCBOR implements the decoding of handles. The error wraps ErrMismatch if the Array
// was made for another T.
func (a *Array[T]) UnmarshalCBOR(data []byte) error {
	s := shapeOf[T]()
	o, err := openLive(data, kindArray)
	if err == nil {
		err = s.agree(o.Shape(), reflect.TypeFor[T]())
	}
	if err != nil {
		return fail("decoding an Array", err)
	}
	c, err := arrayCoreOf(o)
	if err == nil && c.size != s.size {
		err = fmt.Errorf("%w: elements of %d bytes instead of %d", ErrCorrupt, c.size, s.size)
	}
	if err != nil {
		return fail("decoding an Array", err)
	}
	a.core.Store(c)
	return nil
}
