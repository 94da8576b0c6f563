package ipc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/futures-go/futures/internal/family"
)

// The kinds of objects. Their numbers travel.
const (
	kindNone uint8 = iota
	kindQueue
	kindMutex
	kindRecursiveMutex
	kindSemaphore
	kindEvent
	kindCond
	kindBarrier
	kindValue
	kindArray
	kindBytes
	kindPipe
	kindPipeEnd
	kindCount
)

// kinds is what the family needs to know of each: each file fills in its own.
var kinds = [kindCount]family.Kind{
	kindQueue:          queueKind,
	kindMutex:          mutexKind,
	kindRecursiveMutex: recursiveKind,
	kindSemaphore:      semaphoreKind,
	kindEvent:          eventKind,
	kindCond:           condKind,
	kindBarrier:        barrierKind,
	kindValue:          valueKind,
	kindArray:          arrayKind,
	kindBytes:          bytesKind,
	kindPipe:           pipeKind,
	kindPipeEnd:        pipeEndKind,
}

// A handle travels as a CBOR byte string (RFC 8949) of 28 bytes:
//
//	0   version, 1
//	1   kind
//	2   part of the object, 0 for the whole
//	3   0
//	4   index, 32 bits, little-endian like all
//	8   generation, 32 bits
//	12  family, 16 bytes
const (
	handleVersion = 1
	handleSize    = 28
	handleHead    = 2 // bytes of CBOR before them
)

func appendHandle(dst []byte, ref family.Ref, part uint8) []byte {
	dst = append(dst, 0x58, handleSize, handleVersion, ref.Kind, part, 0)
	dst = binary.LittleEndian.AppendUint32(dst, ref.Index)
	dst = binary.LittleEndian.AppendUint32(dst, ref.Generation)
	return append(dst, ref.Family[:]...)
}

func parseHandle(data []byte) (ref family.Ref, part uint8, err error) {
	if len(data) != handleHead+handleSize || data[0] != 0x58 || data[1] != handleSize {
		return ref, 0, fmt.Errorf("%w: no handle: %d bytes", ErrCorrupt, len(data))
	}
	b := data[handleHead:]
	if b[0] != handleVersion || b[3] != 0 {
		return ref, 0, fmt.Errorf("%w: a handle of version %d, this is version %d", ErrCorrupt, b[0], handleVersion)
	}
	ref.Kind, part = b[1], b[2]
	ref.Index, ref.Generation = binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:])
	copy(ref.Family[:], b[12:])
	return ref, part, nil
}

// openHandle opens what a handle leads to, which must be of that kind.
func openHandle(data []byte, kind uint8) (*family.Object, uint8, error) {
	ref, part, err := parseHandle(data)
	if err != nil {
		return nil, 0, err
	}
	if ref.Kind != kind {
		return nil, 0, fmt.Errorf("%w: a handle of kind %d", ErrMismatch, ref.Kind)
	}
	f, err := family.Find(ref.Family, kinds[:])
	if err != nil {
		return nil, 0, err
	}
	o, err := f.Open(ref)
	return o, part, err
}

// The parts of an object that have handles of their own.
const (
	partWhole uint8 = iota
	partMutex       // the lock in a Value or an Array
)

// openWhole is openHandle for those that lead to whole objects.
func openWhole(data []byte, kind uint8) (*family.Object, error) {
	o, part, err := openHandle(data, kind)
	if err == nil && part != partWhole {
		return nil, fmt.Errorf("%w: a handle of part %d", ErrMismatch, part)
	}
	return o, err
}

// openLive is openWhole of kinds that nobody opens any more once they are closed.
func openLive(data []byte, kind uint8) (*family.Object, error) {
	o, err := openWhole(data, kind)
	if err == nil && o.Closed() {
		err = fmt.Errorf("%w: %s, closed", ErrGone, kinds[kind].Name)
	}
	return o, err
}

// create makes an object in this process's family.
func create(kind uint8, size int, shape uint64, init func(o *family.Object)) (*family.Object, error) {
	f, err := family.Home(kinds[:])
	if err != nil {
		return nil, err
	}
	return f.Create(kind, size, shape, init)
}

// handle is what the types of this package are made of: a way to a core, which is the
// object as this process uses it and is shared by all its handles here. After Close there
// is none.
//
// A core is reachable from its handles and from who uses it, and nothing else: the memory is
// let go of when the garbage collector has found that nobody uses it.
type handle[C any] struct{ core atomic.Pointer[C] }

// get returns the core, or ErrClosed.
func (h *handle[C]) get() (*C, error) {
	if c := h.core.Load(); c != nil {
		return c, nil
	}
	return nil, ErrClosed
}

// errUnset is for handles that nobody has made.
var errUnset = errors.New("ipc: a handle that was not made by its New function, or was closed")
