package codec

import (
	"bytes"
	"reflect"
	"unicode/utf8"
	"unsafe"
)

// The functions below take a pointer to a value and its shape. A pointer is moved only by
// offsets of fields and sizes of elements within the value that it came with.

// append appends the item of a value. It reports false if the library has to.
func (s *shape) append(dst []byte, p unsafe.Pointer) ([]byte, bool) {
	switch s.kind {
	case shapeBool:
		if *(*bool)(p) {
			return append(dst, itemTrue), true
		}
		return append(dst, itemFalse), true
	case shapeInt:
		return appendInt(dst, int64(*(*int)(p))), true
	case shapeInt8:
		return appendInt(dst, int64(*(*int8)(p))), true
	case shapeInt16:
		return appendInt(dst, int64(*(*int16)(p))), true
	case shapeInt32:
		return appendInt(dst, int64(*(*int32)(p))), true
	case shapeInt64:
		return appendInt(dst, *(*int64)(p)), true
	case shapeUint:
		return appendHead(dst, majorUint, uint64(*(*uint)(p))), true
	case shapeUint8:
		return appendHead(dst, majorUint, uint64(*(*uint8)(p))), true
	case shapeUint16:
		return appendHead(dst, majorUint, uint64(*(*uint16)(p))), true
	case shapeUint32:
		return appendHead(dst, majorUint, uint64(*(*uint32)(p))), true
	case shapeUint64:
		return appendHead(dst, majorUint, *(*uint64)(p)), true
	case shapeFloat32:
		return appendFloat(dst, float64(*(*float32)(p)))
	case shapeFloat64:
		return appendFloat(dst, *(*float64)(p))
	case shapeString:
		return appendTextChecked(dst, *(*string)(p))
	case shapeBytes:
		return appendBytes(dst, *(*[]byte)(p)), true
	case shapeByteArray:
		return append(append(dst, s.head...), unsafe.Slice((*byte)(p), s.count)...), true
	case shapeArray:
		return s.elem.appendAll(append(dst, s.head...), p, s.count)
	case shapeStruct:
		return s.appendFields(dst, p)
	}
	return dst, false
}

// appendFields is append for a struct. What is frequent in them is done without a call.
func (s *shape) appendFields(dst []byte, p unsafe.Pointer) ([]byte, bool) {
	for i := range s.fields {
		f := &s.fields[i]
		if n := len(dst); len(f.before) <= shortName && cap(dst)-n >= shortName {
			*(*[shortName]byte)(dst[n : n+shortName]) = f.padded
			dst = dst[:n+len(f.before)]
		} else {
			dst = append(dst, f.before...)
		}
		at := unsafe.Add(p, f.offset)
		ok := true
		switch f.kind {
		case shapeBool:
			dst = append(dst, itemFalse+*(*byte)(at))
		case shapeInt64:
			dst = appendInt(dst, *(*int64)(at))
		default:
			dst, ok = f.append(dst, at)
		}
		if !ok {
			return dst, false
		}
	}
	return dst, true
}

// at returns the place of one of the values that begin at p. A pointer behind the last one is
// never made: it would be into something else.
func (s *shape) at(p unsafe.Pointer, i int) unsafe.Pointer { return unsafe.Add(p, uintptr(i)*s.size) }

// appendAll appends the items of n values beside each other.
func (s *shape) appendAll(dst []byte, p unsafe.Pointer, n int) ([]byte, bool) {
	for i := range n {
		var ok bool
		if dst, ok = s.append(dst, s.at(p, i)); !ok {
			return dst, false
		}
	}
	return dst, true
}

// read sets a value to what the first item of data says and returns the rest. It reports
// false if the item is not one that append makes; then a part of the value may be set.
func (s *shape) read(data []byte, p unsafe.Pointer) (rest []byte, ok bool) {
	switch s.kind {
	case shapeBool:
		if len(data) == 0 || data[0] != itemTrue && data[0] != itemFalse {
			return nil, false
		}
		*(*bool)(p) = data[0] == itemTrue
		return data[1:], true
	case shapeInt:
		return readIntTo(data, (*int)(p))
	case shapeInt8:
		return readIntTo(data, (*int8)(p))
	case shapeInt16:
		return readIntTo(data, (*int16)(p))
	case shapeInt32:
		return readIntTo(data, (*int32)(p))
	case shapeInt64:
		return readIntTo(data, (*int64)(p))
	case shapeUint:
		return readUintTo(data, (*uint)(p))
	case shapeUint8:
		return readUintTo(data, (*uint8)(p))
	case shapeUint16:
		return readUintTo(data, (*uint16)(p))
	case shapeUint32:
		return readUintTo(data, (*uint32)(p))
	case shapeUint64:
		return readUintTo(data, (*uint64)(p))
	case shapeFloat32:
		f, rest, ok := readFloat(data)
		if !ok || data[0] == itemFloat64 { // it may not fit
			return nil, false
		}
		*(*float32)(p) = float32(f)
		return rest, true
	case shapeFloat64:
		f, rest, ok := readFloat(data)
		if ok {
			*(*float64)(p) = f
		}
		return rest, ok
	case shapeString:
		b, rest, ok := readString(data, majorText)
		if !ok {
			return nil, false
		}
		text := string(b) // before it is checked: a peer may write the bytes meanwhile
		if !utf8.ValidString(text) {
			return nil, false
		}
		*(*string)(p) = text
		return rest, true
	case shapeBytes:
		if len(data) > 0 && data[0] == itemNull {
			*(*[]byte)(p) = nil
			return data[1:], true
		}
		b, rest, ok := readString(data, majorBytes)
		if ok {
			*(*[]byte)(p) = append(make([]byte, 0, len(b)), b...)
		}
		return rest, ok
	case shapeByteArray:
		b, rest, ok := readString(data, majorBytes)
		if !ok || len(b) != s.count {
			return nil, false
		}
		copy(unsafe.Slice((*byte)(p), s.count), b)
		return rest, true
	case shapeArray:
		rest, ok := bytes.CutPrefix(data, s.head)
		if !ok {
			return nil, false
		}
		return s.elem.readAll(rest, p, s.count)
	case shapeStruct:
		return s.readFields(data, p)
	}
	return nil, false
}

// readFields is read for a struct: all its fields, in the order of append.
func (s *shape) readFields(data []byte, p unsafe.Pointer) (rest []byte, ok bool) {
	for i := range s.fields {
		f := &s.fields[i]
		n := len(f.before)
		if len(data) < n || string(data[:n]) != string(f.before) {
			return nil, false
		}
		if data, ok = f.read(data[n:], unsafe.Add(p, f.offset)); !ok {
			return nil, false
		}
	}
	return data, true
}

// readAll sets n values beside each other.
func (s *shape) readAll(data []byte, p unsafe.Pointer, n int) (rest []byte, ok bool) {
	for i := range n {
		if data, ok = s.read(data, s.at(p, i)); !ok {
			return nil, false
		}
	}
	return data, true
}

// pointerIn returns the pointer that v holds, and shapeBehind has seen: an interface is the
// address of a type and a pointer. It is what reflect.Value.UnsafePointer does, at less cost.
func pointerIn(v any) unsafe.Pointer {
	return (*struct{ _, pointer unsafe.Pointer })(unsafe.Pointer(&v)).pointer
}

// appendShaped is appendFast for types that have a shape.
func appendShaped(dst []byte, v any) ([]byte, bool) {
	s := shapeBehind(v)
	if s == nil {
		return dst, false
	}
	switch s.kind {
	case shapeStruct:
		if out, ok := s.appendFields(dst, pointerIn(v)); ok {
			return out, true
		}
		return dst, false
	case shapeSlice:
	default:
		if out, ok := s.append(dst, pointerIn(v)); ok {
			return out, true
		}
		return dst, false
	}
	slice := reflect.ValueOf(v).Elem()
	if slice.IsNil() {
		return append(dst, itemNull), true
	}
	out := appendHead(dst, majorArray, uint64(slice.Len()))
	out, ok := s.elem.appendAll(out, slice.UnsafePointer(), slice.Len())
	if !ok {
		return dst, false
	}
	return out, true
}

// decodeShaped is decodeFast for types that have a shape.
func decodeShaped(data []byte, v any) bool {
	s := shapeBehind(v)
	if s == nil {
		return false
	}
	switch s.kind {
	case shapeStruct:
		rest, ok := s.readFields(data, pointerIn(v))
		return ok && len(rest) == 0
	case shapeSlice:
	default:
		rest, ok := s.read(data, pointerIn(v))
		return ok && len(rest) == 0
	}
	slice := reflect.ValueOf(v).Elem()
	if len(data) == 1 && data[0] == itemNull {
		slice.SetZero()
		return true
	}
	major, n, rest, ok := head(data)
	// The length is a peer's word: memory is taken only for what so many bytes can say.
	if !ok || major != majorArray || n > uint64(len(rest)/s.elem.least) || n > MaxElements {
		return false
	}
	made := reflect.MakeSlice(slice.Type(), int(n), int(n))
	if rest, ok = s.elem.readAll(rest, made.UnsafePointer(), int(n)); !ok || len(rest) > 0 {
		return false
	}
	slice.Set(made)
	return true
}

// hintShaped is SizeHint for types that have a shape.
func hintShaped(v any) int {
	s := shapeBehind(v)
	switch {
	case s == nil:
		return 0
	case s.kind == shapeSlice:
		slice := reflect.ValueOf(v).Elem()
		if !s.elem.varies {
			return headSize + slice.Len()*s.elem.most
		}
		return headSize + s.elem.hintAll(slice.UnsafePointer(), slice.Len())
	case !s.varies:
		return s.most
	}
	return s.hint(pointerIn(v))
}

// hint returns how many bytes append makes at most.
func (s *shape) hint(p unsafe.Pointer) int {
	n := s.most
	switch s.kind {
	case shapeString:
		n += len(*(*string)(p))
	case shapeBytes:
		n += len(*(*[]byte)(p))
	case shapeArray:
		if s.varies {
			n = len(s.head) + s.elem.hintAll(p, s.count)
		}
	case shapeStruct:
		for i := range s.fields {
			if f := &s.fields[i]; f.varies {
				n += f.hint(unsafe.Add(p, f.offset)) - f.most
			}
		}
	}
	return n
}

func (s *shape) hintAll(p unsafe.Pointer, n int) (sum int) {
	for i := range n {
		sum += s.hint(s.at(p, i))
	}
	return sum
}
