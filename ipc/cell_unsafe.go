package ipc

import (
	"reflect"
	"unsafe"
)

// The compiler knows the size of T where it compiles these functions, so that of each switch
// one case is left.

// bitsOf returns a value of at most 8 bytes as a word. The other bytes of the word are zero.
func bitsOf[T any](v T) (bits uint64) {
	switch {
	case unsafe.Sizeof(v) == 8 && unsafe.Alignof(v) == 8:
		return *(*uint64)(unsafe.Pointer(&v))
	case unsafe.Sizeof(v) == 4 && unsafe.Alignof(v) == 4:
		return uint64(*(*uint32)(unsafe.Pointer(&v)))
	case unsafe.Sizeof(v) == 2 && unsafe.Alignof(v) == 2:
		return uint64(*(*uint16)(unsafe.Pointer(&v)))
	case unsafe.Sizeof(v) == 1:
		return uint64(*(*uint8)(unsafe.Pointer(&v)))
	}
	copy(bytesOf(&bits), bytesOf(&v))
	return bits
}

// ofBits is the reverse of bitsOf. It does not look at the other bytes of the word.
func ofBits[T any](bits uint64) (v T) {
	switch {
	case unsafe.Sizeof(v) == 8 && unsafe.Alignof(v) == 8:
		*(*uint64)(unsafe.Pointer(&v)) = bits
	case unsafe.Sizeof(v) == 4 && unsafe.Alignof(v) == 4:
		*(*uint32)(unsafe.Pointer(&v)) = uint32(bits)
	case unsafe.Sizeof(v) == 2 && unsafe.Alignof(v) == 2:
		*(*uint16)(unsafe.Pointer(&v)) = uint16(bits)
	case unsafe.Sizeof(v) == 1:
		*(*uint8)(unsafe.Pointer(&v)) = uint8(bits)
	default:
		copy(bytesOf(&v), bytesOf(&bits))
	}
	return v
}

// bytesOf returns the memory of a value.
func bytesOf[T any](v *T) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v)) }

// sliceOf returns n values of type T, which begin where mem does. Shapes were compared, and
// the caller has looked that they are there.
func sliceOf[T any](mem []byte, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(mem))), n)
}

// sum adds two numbers that are no integers. Kind is the kind of T.
func sum[T any](kind reflect.Kind, a, b T) T {
	x, y := unsafe.Pointer(&a), unsafe.Pointer(&b)
	switch kind {
	case reflect.Float32:
		*(*float32)(x) += *(*float32)(y)
	case reflect.Float64:
		*(*float64)(x) += *(*float64)(y)
	case reflect.Complex64:
		*(*complex64)(x) += *(*complex64)(y)
	case reflect.Complex128:
		*(*complex128)(x) += *(*complex128)(y)
	}
	return a
}
