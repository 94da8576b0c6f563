package ipc

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/internal/family"
)

// Bytes is data in shared memory that does not change. It is copied once, when it is made, and
// read in place by however many processes get the handle. In Python: what
// shared_memory.SharedMemory is mostly used for.
//
// A process that reads has the memory mapped for reading only: a write through a slice of it
// is a fault that ends that process, and changes nothing.
//
// All methods may be called together. After Close they return an error that wraps ErrClosed,
// or panic with it where they return none.
type Bytes struct {
	handle[bytesCore]
	lent atomic.Pointer[bytesCore] // as in Array (V4)
}

// The words of Bytes.
const (
	bytesLength  = 0 // by its creator
	bytesBuilder = 8 // owner of the process that is still writing it; 0: sealed
	bytesData    = 64
)

// bytesCore is Bytes as this process uses it.
type bytesCore struct {
	o    *family.Object
	err  error  // why it cannot be used, and nothing below is set
	data []byte // mapped for reading only (V5)
}

var bytesKind = family.Kind{
	Name: "Bytes",
	// What is not sealed has one holder, who alone can seal it.
	Dropped: func(o *family.Object) {
		if o.Size() >= bytesData && o.Word(bytesBuilder).Load() != 0 && !o.Family().Held(o.Ref()) {
			o.Close()
		}
	},
}

// bytesCoreOf returns the core of what is sealed.
func bytesCoreOf(o *family.Object) (*bytesCore, error) {
	if o.Size() >= bytesData && o.Word(bytesBuilder).Load() != 0 {
		return nil, fmt.Errorf("%w: Bytes that are still being written", ErrCorrupt)
	}
	c := o.Local(func(o *family.Object) any {
		c := &bytesCore{o: o}
		c.err = c.bind(o)
		return c
	}).(*bytesCore)
	return c, c.err
}

func (c *bytesCore) bind(o *family.Object) error {
	if o.Size() < bytesData {
		return fmt.Errorf("%w: Bytes of %d bytes", ErrCorrupt, o.Size())
	}
	n := o.Word(bytesLength).Load()
	if n > uint64(o.Size()-bytesData) {
		return fmt.Errorf("%w: %d Bytes in %d", ErrCorrupt, n, o.Size())
	}
	view, err := o.Family().ReadOnly()
	if err != nil {
		return err
	}
	c.data = view.Bytes()[o.Offset()+bytesData:][:n:n]
	return nil
}

// NewBytes makes Bytes with a copy of data. The error wraps ErrTooLarge if there is not so
// much memory, and errors.ErrUnsupported where there is none of this kind.
func NewBytes(data []byte) (*Bytes, error) {
	o, err := newBytes(len(data), func(o *family.Object) { copy(o.Bytes()[bytesData:], data) })
	if err != nil {
		return nil, fail("NewBytes", err)
	}
	return sealed("NewBytes", o)
}

func newBytes(n int, init func(o *family.Object)) (*family.Object, error) {
	switch {
	case n < 0:
		return nil, fmt.Errorf("negative length %d", n)
	case n > mostBytes:
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	return createLarge(kindBytes, bytesData+n, 0, func(o *family.Object) {
		o.Word(bytesLength).Store(uint64(n))
		init(o)
	})
}

func sealed(method string, o *family.Object) (*Bytes, error) {
	c, err := bytesCoreOf(o)
	if err != nil {
		o.Close()
		return nil, fail(method, err)
	}
	b := new(Bytes)
	b.core.Store(c)
	return b, nil
}

// BytesBuffer is memory that becomes Bytes: for data that would otherwise be made somewhere
// else first. It does not travel before it is sealed. If it is dropped, or its process dies,
// the memory is given back.
type BytesBuffer struct{ handle[bufferCore] }

type bufferCore struct {
	o    *family.Object
	data []byte
}

// NewBytesBuffer makes a buffer of n zero bytes. The errors are those of NewBytes.
func NewBytesBuffer(n int) (*BytesBuffer, error) {
	o, err := newBytes(n, func(o *family.Object) { o.Word(bytesBuilder).Store(uint64(o.Owner())) })
	if err != nil {
		return nil, fail("NewBytesBuffer", err)
	}
	b := new(BytesBuffer)
	b.core.Store(&bufferCore{o, o.Bytes()[bytesData:][:n:n]})
	return b, nil
}

// Bytes returns all of the memory, to be written. The slice may be used until Seal or Close, and
// as long as the BytesBuffer is reachable. After them Bytes panics with an error that wraps
// ErrClosed; a slice that was kept still leads to the memory, and whoever writes through it
// changes what all think does not change.
func (b *BytesBuffer) Bytes() []byte {
	c := b.core.Load()
	if c == nil {
		panicClosed("BytesBuffer.Bytes")
	}
	return c.data
}

// Seal makes Bytes of the buffer, which is of no use any more. A second Seal returns an error
// that wraps ErrClosed.
func (b *BytesBuffer) Seal() (*Bytes, error) {
	c := b.core.Swap(nil)
	if c == nil {
		return nil, fail("BytesBuffer.Seal", ErrClosed)
	}
	c.o.Word(bytesBuilder).Store(0)
	return sealed("BytesBuffer.Seal", c.o)
}

// Close gives the buffer up. After Seal, and a second time, it does nothing.
func (b *BytesBuffer) Close() error {
	if c := b.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// Len returns how many bytes there are, 0 after Close.
func (b *Bytes) Len() int {
	if c := b.core.Load(); c != nil {
		return len(c.data)
	}
	return 0
}

// Slice returns the bytes themselves. They may be used as long as the Bytes is reachable, also
// after Close (V4): see Array.Slice. To write to them is a fault.
func (b *Bytes) Slice() []byte {
	c := b.core.Load()
	if c == nil {
		panicClosed("Bytes.Slice")
	}
	if b.lent.Load() != c {
		b.lent.Store(c)
	}
	return c.data
}

// View calls fn with the bytes themselves, which are there until it returns, and returns its
// error.
func (b *Bytes) View(fn func([]byte) error) error {
	c, err := b.get()
	if err != nil {
		return fail("Bytes.View", err)
	}
	defer runtime.KeepAlive(c)
	return fn(c.data)
}

// ReadAt implements io.ReaderAt.
func (b *Bytes) ReadAt(p []byte, off int64) (n int, err error) {
	c, err := b.get()
	if err == nil && off < 0 {
		err = errors.New("negative offset")
	}
	if err != nil {
		return 0, fail("Bytes.ReadAt", err)
	}
	defer runtime.KeepAlive(c)
	if off < int64(len(c.data)) {
		n = copy(p, c.data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo: it writes all the bytes, which are not copied before.
func (b *Bytes) WriteTo(w io.Writer) (int64, error) {
	c, err := b.get()
	if err != nil {
		return 0, fail("Bytes.WriteTo", err)
	}
	defer runtime.KeepAlive(c)
	n, err := w.Write(c.data)
	if err == nil && n < len(c.data) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}

// Reader returns a reader of all the bytes, from the beginning.
func (b *Bytes) Reader() *io.SectionReader { return io.NewSectionReader(b, 0, int64(b.Len())) }

// Closed reports whether any process has closed the Bytes.
func (b *Bytes) Closed() bool {
	c := b.core.Load()
	closed := c == nil || c.o.Closed()
	runtime.KeepAlive(c)
	return closed
}

// String describes the Bytes.
func (b *Bytes) String() string { return fmt.Sprintf("Bytes(%d)", b.Len()) }

// Close says that no more handles of the Bytes are opened, in any process: see Array.Close.
func (b *Bytes) Close() error {
	if c := b.core.Swap(nil); c != nil {
		c.o.Close()
	}
	return nil
}

// MarshalCBOR implements the encoding of handles; see the package documentation.
func (b *Bytes) MarshalCBOR() ([]byte, error) {
	c, err := b.get()
	if err != nil {
		return nil, fail("encoding Bytes", errUnset)
	}
	defer runtime.KeepAlive(c)
	return appendHandle(nil, c.o.Ref(), partWhole), nil
}

// UnmarshalCBOR implements the decoding of handles.
func (b *Bytes) UnmarshalCBOR(data []byte) error {
	o, err := openLive(data, kindBytes)
	if err != nil {
		return fail("decoding Bytes", err)
	}
	c, err := bytesCoreOf(o)
	if err != nil {
		return fail("decoding Bytes", err)
	}
	b.core.Store(c)
	return nil
}
