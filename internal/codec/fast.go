package codec

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The fast paths make and take the same bytes as the library (C4), for the types that
// short tasks have: those of the type switches below without a look at anything but the value,
// and structs and their like by a shape. What they do not know they leave to the library,
// errors included.

// Major types of CBOR, in the upper three bits of an item's first byte.
const (
	majorUint  = 0 << 5
	majorNint  = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorArray = 4 << 5
	majorMap   = 5 << 5

	itemFalse   = 0xf4
	itemTrue    = 0xf5
	itemNull    = 0xf6
	itemFloat16 = 0xf9
	itemFloat32 = 0xfa
	itemFloat64 = 0xfb

	headSize = 9 // bytes of the longest head
)

// appendHead appends the shortest head of an item.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return append(dst, major|25, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), n)
	}
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return appendHead(dst, majorNint, uint64(^n))
	}
	return appendHead(dst, majorUint, uint64(n))
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, itemNull)
	}
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}

func appendText(dst []byte, s string) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// appendFloat appends the shortest float that is exact. What is not a number it leaves to
// the library.
func appendFloat(dst []byte, f float64) ([]byte, bool) {
	short := float32(f)
	switch {
	case f != f:
		return dst, false
	case float64(short) != f:
		return binary.BigEndian.AppendUint64(append(dst, itemFloat64), math.Float64bits(f)), true
	}
	if half, ok := halfOf(short); ok {
		return append(dst, itemFloat16, byte(half>>8), byte(half)), true
	}
	return binary.BigEndian.AppendUint32(append(dst, itemFloat32), math.Float32bits(short)), true
}

// The parts of floats of 16, 32 and 64 bits: the sign, 5, 8 or 11 bits of exponent, and 10,
// 23 or 52 of fraction.
const (
	halfBias       = 15
	halfFraction   = 10
	halfInfinity   = 0x1f << halfFraction
	floatBias      = 127
	floatFraction  = 23
	doubleBias     = 1023
	doubleFraction = 52
	doubleInfinity = 0x7ff
)

// halfOf returns the bits of f as a float of 16 bits, if it is one. It is a number.
func halfOf(f float32) (half uint16, ok bool) {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	exponent := int(bits>>floatFraction&0xff) - floatBias
	fraction := bits & (1<<floatFraction - 1)
	drop := floatFraction - halfFraction
	switch {
	case bits<<1 == 0:
		return sign, true
	case exponent == floatBias+1:
		return sign | halfInfinity, true
	case exponent > halfBias || exponent < 1-halfBias-halfFraction:
		return 0, false
	case exponent > -halfBias:
		half = uint16(exponent+halfBias)<<halfFraction | uint16(fraction>>drop)
	default: // below the smallest with a full fraction: the leading 1 is written out
		fraction |= 1 << floatFraction
		drop += 1 - halfBias - exponent
		half = uint16(fraction >> drop)
	}
	return sign | half, fraction&(1<<drop-1) == 0
}

// floatOf is the inverse of halfOf.
func floatOf(half uint16) float64 {
	sign, exponent, fraction := uint64(half&0x8000)<<48, uint64(half>>halfFraction&0x1f), uint64(half&(1<<halfFraction-1))
	switch exponent {
	case 0:
		const step = 1.0 / (1 << (halfBias - 1 + halfFraction))
		return math.Float64frombits(sign | math.Float64bits(float64(fraction)*step))
	case 0x1f:
		exponent = doubleInfinity
	default:
		exponent += doubleBias - halfBias
	}
	return math.Float64frombits(sign | exponent<<doubleFraction | fraction<<(doubleFraction-halfFraction))
}

func appendSlice[T any](dst []byte, s []T, one func([]byte, T) ([]byte, bool)) ([]byte, bool) {
	if s == nil {
		return append(dst, itemNull), true
	}
	out := appendHead(dst, majorArray, uint64(len(s)))
	for _, v := range s {
		var ok bool
		if out, ok = one(out, v); !ok {
			return dst, false
		}
	}
	return out, true
}

func appendInts[T int | int64 | int32](dst []byte, s []T) []byte {
	if s == nil {
		return append(dst, itemNull)
	}
	dst = appendHead(dst, majorArray, uint64(len(s)))
	for _, n := range s {
		dst = appendInt(dst, int64(n))
	}
	return dst
}

func appendTextChecked(dst []byte, s string) ([]byte, bool) {
	if !utf8.ValidString(s) {
		return dst, false
	}
	return appendText(dst, s), true
}

// appendFast reports false, and dst as it was, if it does not know the type or value.
func appendFast(dst []byte, v any) ([]byte, bool) {
	switch v := v.(type) {
	case *int:
		return appendInt(dst, int64(*v)), true
	case *int64:
		return appendInt(dst, *v), true
	case *int32:
		return appendInt(dst, int64(*v)), true
	case *uint64:
		return appendHead(dst, majorUint, *v), true
	case *uint32:
		return appendHead(dst, majorUint, uint64(*v)), true
	case *uint:
		return appendHead(dst, majorUint, uint64(*v)), true
	case *bool:
		if *v {
			return append(dst, itemTrue), true
		}
		return append(dst, itemFalse), true
	case *string:
		return appendTextChecked(dst, *v)
	case *[]byte:
		return appendBytes(dst, *v), true
	case *float64:
		return appendFloat(dst, *v)
	case *struct{}:
		return append(dst, majorMap), true
	case *[]int:
		return appendInts(dst, *v), true
	case *[]int64:
		return appendInts(dst, *v), true
	case *[]int32:
		return appendInts(dst, *v), true
	case *[]float64:
		return appendSlice(dst, *v, appendFloat)
	case *[]string:
		return appendSlice(dst, *v, appendTextChecked)
	case *[][]byte:
		return appendSlice(dst, *v, func(dst, b []byte) ([]byte, bool) { return appendBytes(dst, b), true })
	}
	return appendShaped(dst, v)
}

// SizeHint returns how many bytes Append makes of the value that v points to at most,
// where that is known at once, and 0 where it is not.
func SizeHint(v any) int {
	switch v := v.(type) {
	case *[]byte:
		return headSize + len(*v)
	case *string:
		return headSize + len(*v)
	case *[]int:
		return headSize * (1 + len(*v))
	case *[]int64:
		return headSize * (1 + len(*v))
	case *[]float64:
		return headSize * (1 + len(*v))
	}
	return hintShaped(v)
}

// head reads an item's head, if it is there whole, of the shortest form or not. Of what
// has no count it reports false.
func head(data []byte) (major byte, n uint64, rest []byte, ok bool) {
	if len(data) == 0 {
		return 0, 0, nil, false
	}
	major, info := data[0]&0xe0, data[0]&0x1f
	data = data[1:]
	switch {
	case info < 24:
		return major, uint64(info), data, true
	case info == 24 && len(data) >= 1:
		return major, uint64(data[0]), data[1:], true
	case info == 25 && len(data) >= 2:
		return major, uint64(binary.BigEndian.Uint16(data)), data[2:], true
	case info == 26 && len(data) >= 4:
		return major, uint64(binary.BigEndian.Uint32(data)), data[4:], true
	case info == 27 && len(data) >= 8:
		return major, binary.BigEndian.Uint64(data), data[8:], true
	}
	return 0, 0, nil, false
}

// readInt reads an integer that fits.
func readInt(data []byte) (n int64, rest []byte, ok bool) {
	major, u, rest, ok := head(data)
	if !ok || u > math.MaxInt64 {
		return 0, nil, false
	}
	switch major {
	case majorUint:
		return int64(u), rest, true
	case majorNint:
		return ^int64(u), rest, true
	}
	return 0, nil, false
}

// readString reads a byte string or text.
func readString(data []byte, want byte) (s, rest []byte, ok bool) {
	major, n, rest, ok := head(data)
	if !ok || major != want || n > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// readFloat reads a float of any size. What is not a number it leaves to the library.
func readFloat(data []byte) (f float64, rest []byte, ok bool) {
	switch {
	case len(data) >= 9 && data[0] == itemFloat64:
		f, rest = math.Float64frombits(binary.BigEndian.Uint64(data[1:])), data[9:]
	case len(data) >= 5 && data[0] == itemFloat32:
		f, rest = float64(math.Float32frombits(binary.BigEndian.Uint32(data[1:]))), data[5:]
	case len(data) >= 3 && data[0] == itemFloat16:
		f, rest = floatOf(binary.BigEndian.Uint16(data[1:])), data[3:]
	default:
		return 0, nil, false
	}
	return f, rest, f == f
}

func readIntTo[T int | int8 | int16 | int32 | int64](data []byte, v *T) (rest []byte, ok bool) {
	n, rest, ok := readInt(data)
	if !ok || int64(T(n)) != n {
		return nil, false
	}
	*v = T(n)
	return rest, true
}

func readUintTo[T uint | uint8 | uint16 | uint32 | uint64](data []byte, v *T) (rest []byte, ok bool) {
	major, n, rest, ok := head(data)
	if !ok || major != majorUint || uint64(T(n)) != n {
		return nil, false
	}
	*v = T(n)
	return rest, true
}

func decodeInt[T int | int64 | int32](data []byte, v *T) bool {
	rest, ok := readIntTo(data, v)
	return ok && len(rest) == 0
}

func decodeUint[T uint | uint64 | uint32](data []byte, v *T) bool {
	rest, ok := readUintTo(data, v)
	return ok && len(rest) == 0
}

// decodeSlice reads an array whose elements one reads. The array's length is a peer's
// word: memory is taken only for as many elements as there are bytes.
func decodeSlice[T any](data []byte, v *[]T, one func([]byte) (T, []byte, bool)) bool {
	if len(data) == 1 && data[0] == itemNull {
		*v = nil
		return true
	}
	major, n, rest, ok := head(data)
	if !ok || major != majorArray || n > uint64(len(rest)) || n > MaxElements {
		return false
	}
	s := make([]T, n)
	for i := range s {
		if s[i], rest, ok = one(rest); !ok {
			return false
		}
	}
	if len(rest) > 0 {
		return false
	}
	*v = s
	return true
}

func readIntAs[T int | int64 | int32](data []byte) (T, []byte, bool) {
	n, rest, ok := readInt(data)
	return T(n), rest, ok && int64(T(n)) == n
}

// decodeFast reports false if it does not know the type, or the bytes are not what
// appendFast makes; then the library decides.
func decodeFast(data []byte, v any) bool {
	switch v := v.(type) {
	case *int:
		return decodeInt(data, v)
	case *int64:
		return decodeInt(data, v)
	case *int32:
		return decodeInt(data, v)
	case *uint64:
		return decodeUint(data, v)
	case *uint32:
		return decodeUint(data, v)
	case *uint:
		return decodeUint(data, v)
	case *bool:
		if len(data) != 1 || data[0] != itemTrue && data[0] != itemFalse {
			return false
		}
		*v = data[0] == itemTrue
		return true
	case *string:
		s, rest, ok := readString(data, majorText)
		if !ok || len(rest) > 0 {
			return false
		}
		text := string(s) // before it is checked: a peer may write the bytes meanwhile
		if !utf8.ValidString(text) {
			return false
		}
		*v = text
		return true
	case *[]byte:
		if len(data) == 1 && data[0] == itemNull {
			*v = nil
			return true
		}
		s, rest, ok := readString(data, majorBytes)
		if !ok || len(rest) > 0 {
			return false
		}
		b := make([]byte, len(s)) // and copied into at once, so that it is not cleared before
		copy(b, s)
		*v = b
		return true
	case *float64:
		f, rest, ok := readFloat(data)
		if !ok || len(rest) > 0 {
			return false
		}
		*v = f
		return true
	case *struct{}:
		return len(data) == 1 && data[0] == majorMap
	case *[]int:
		return decodeSlice(data, v, readIntAs[int])
	case *[]int64:
		return decodeSlice(data, v, readIntAs[int64])
	case *[]int32:
		return decodeSlice(data, v, readIntAs[int32])
	case *[]float64:
		return decodeSlice(data, v, readFloat)
	case *[]string:
		return decodeSlice(data, v, func(data []byte) (string, []byte, bool) {
			s, rest, ok := readString(data, majorText)
			text := string(s)
			return text, rest, ok && utf8.ValidString(text)
		})
	}
	return decodeShaped(data, v)
}
