package shm

import (
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"
)

// Uint32 returns the word at off, which must be a multiple of 4. The bounds are
// checked here, once: keep the pointer. It is valid as long as the region's bytes
// are. A word of a read-only region can only be loaded.
func (r *Region) Uint32(off int) *atomic.Uint32 { return &place[atomic.Uint32](r, off, 1)[0] }

// Uint64 returns the word at off, which must be a multiple of 8; see Uint32.
func (r *Region) Uint64(off int) *atomic.Uint64 { return &place[atomic.Uint64](r, off, 1)[0] }

// At returns the T at off: a header or a control block, made of fixed-size
// fields. T must not contain pointers (S5) and off must be a multiple of T's
// alignment; otherwise At panics, as it does for a T that does not fit.
//
// Fields that two processes use at the same time have types of sync/atomic.
func At[T any](r *Region, off int) *T {
	return &SliceAt[T](r, off, 1)[0]
}

// SliceAt returns n values of type T, the first at off, by the rules of At.
func SliceAt[T any](r *Region, off, n int) []T {
	if t := reflect.TypeFor[T](); t.Size() == 0 || !flat(t) {
		panic(fmt.Sprintf("shm: %v cannot be in shared memory", t))
	}
	return place[T](r, off, n)
}

// place checks where n values of a type that is known to be flat are to be.
func place[T any](r *Region, off, n int) []T {
	var zero T
	size, align := int(unsafe.Sizeof(zero)), int(unsafe.Alignof(zero))
	if off < 0 || n < 0 || off > len(r.mem) || n > (len(r.mem)-off)/size {
		panic(fmt.Sprintf("shm: %d of %T at %d in a region of %d bytes", n, zero, off, len(r.mem)))
	}
	if off%align != 0 {
		panic(fmt.Sprintf("shm: %T at %d is not aligned to %d", zero, off, align))
	}
	if n == 0 {
		return nil
	}
	// A mapping starts on a page, so what is aligned as an offset is so as an
	// address.
	return unsafe.Slice((*T)(unsafe.Pointer(&r.mem[off])), n)
}

// flat reports whether a value of type t is all there is to it.
func flat(t reflect.Type) bool {
	switch kind := t.Kind(); kind {
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	default:
		// Bool, the numbers, and among those not Uintptr, which holds an address.
		return kind >= reflect.Bool && kind <= reflect.Complex128 && kind != reflect.Uintptr
	}
}
