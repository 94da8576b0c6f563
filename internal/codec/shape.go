package codec

import (
	"bytes"
	"cmp"
	"encoding"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
)

// A shape is how values of a type lie in memory, for types that consist of numbers, strings,
// []byte, and structs and arrays of those: it is made once, and then a value is encoded and
// decoded without reflection (C4). Types that say themselves how they travel, and structs
// whose tags ask for more than a name, have none.
type shape struct {
	kind   shapeKind
	size   uintptr      // of a value in memory
	least  int          // bytes of its shortest item
	most   int          // bytes of its longest item, without what strings and bytes hold
	varies bool         // there are strings or bytes in it
	count  int          // elements of an array
	elem   *shape       // of an array or a slice
	head   []byte       // of the item of an array
	fields []shapeField // in the order in which they travel
}

// shapeField is an exported field of a struct.
type shapeField struct {
	shape
	before []byte          // the item of its name; at the first field the head of the struct's item too
	padded [shortName]byte // before, if it fits
	offset uintptr
}

// shortName is how much is copied for a name where there is room: always as much takes less
// time than as much as there is.
const shortName = 16

type shapeKind uint8

const (
	shapeBool shapeKind = iota
	shapeInt
	shapeInt8
	shapeInt16
	shapeInt32
	shapeInt64
	shapeUint
	shapeUint8
	shapeUint16
	shapeUint32
	shapeUint64
	shapeFloat32
	shapeFloat64
	shapeString
	shapeBytes     // []byte
	shapeByteArray // [N]byte, which travels as a byte string
	shapeArray
	shapeStruct
	shapeSlice // of shapes; only as the whole of a value
)

var shapeKinds = map[reflect.Kind]shapeKind{
	reflect.Bool: shapeBool,
	reflect.Int:  shapeInt, reflect.Int8: shapeInt8, reflect.Int16: shapeInt16, reflect.Int32: shapeInt32, reflect.Int64: shapeInt64,
	reflect.Uint: shapeUint, reflect.Uint8: shapeUint8, reflect.Uint16: shapeUint16, reflect.Uint32: shapeUint32, reflect.Uint64: shapeUint64,
	reflect.Float32: shapeFloat32, reflect.Float64: shapeFloat64,
	reflect.String: shapeString,
}

// deepestShape bounds structs and arrays inside each other.
const deepestShape = 16

// shapeOf returns the shape of a type, nil if it has none.
func shapeOf(t reflect.Type) *shape {
	if t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 && !marshals(t) {
		elem := shapeWithin(t.Elem(), deepestShape)
		if elem == nil || elem.size == 0 {
			return nil
		}
		return &shape{kind: shapeSlice, elem: elem, size: t.Size(), least: 1, most: headSize, varies: true}
	}
	return shapeWithin(t, deepestShape)
}

// shapeWithin is shapeOf for what may be a part of another value.
func shapeWithin(t reflect.Type, levels int) *shape {
	if levels == 0 || marshals(t) {
		return nil
	}
	s := &shape{size: t.Size(), least: 1, most: headSize}
	if kind, ok := shapeKinds[t.Kind()]; ok {
		s.kind, s.varies = kind, kind == shapeString
		return s
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem() != reflect.TypeFor[byte]() {
			return nil
		}
		s.kind, s.varies = shapeBytes, true
		return s
	case reflect.Array:
		s.count = t.Len()
		if t.Elem() == reflect.TypeFor[byte]() {
			s.kind = shapeByteArray
			s.head = appendHead(nil, majorBytes, uint64(s.count))
			s.least = len(s.head) + s.count
			s.most = s.least
			return s
		}
		if t.Elem().Kind() == reflect.Uint8 {
			return nil
		}
		if s.elem = shapeWithin(t.Elem(), levels-1); s.elem == nil {
			return nil
		}
		s.kind, s.varies = shapeArray, s.elem.varies
		s.head = appendHead(nil, majorArray, uint64(s.count))
		s.least = len(s.head) + s.count*s.elem.least
		s.most = len(s.head) + s.count*s.elem.most
		return s
	case reflect.Struct:
		return structShape(t, s, levels)
	}
	return nil
}

// structShape completes the shape of a struct.
func structShape(t reflect.Type, s *shape, levels int) *shape {
	s.kind, s.least, s.most = shapeStruct, 0, 0
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous || f.Name == "_" {
			return nil // fields of its own, or an option for the whole
		}
		tag := cmp.Or(f.Tag.Get("cbor"), f.Tag.Get("json"))
		if !f.IsExported() || tag == "-" {
			continue
		}
		name := cmp.Or(tag, f.Name)
		if strings.Contains(tag, ",") || !utf8.ValidString(name) {
			return nil
		}
		of := shapeWithin(f.Type, levels-1)
		if of == nil {
			return nil
		}
		s.fields = append(s.fields, shapeField{shape: *of, before: appendText(nil, name), offset: f.Offset})
	}
	if len(s.fields) == 0 {
		return nil
	}
	slices.SortFunc(s.fields, func(a, b shapeField) int { return bytes.Compare(a.before, b.before) })
	for i := range s.fields[1:] {
		if bytes.Equal(s.fields[i].before, s.fields[i+1].before) {
			return nil
		}
	}
	s.fields[0].before = append(appendHead(nil, majorMap, uint64(len(s.fields))), s.fields[0].before...)
	for i := range s.fields {
		f := &s.fields[i]
		copy(f.padded[:], f.before)
		s.least += len(f.before) + f.least
		s.most += len(f.before) + f.most
		s.varies = s.varies || f.varies
	}
	return s
}

// marshals reports whether the library has, or may have, another way for a type than by its
// kind.
func marshals(t reflect.Type) bool {
	if known[t] || t.PkgPath() == cborPath {
		return true
	}
	ptr := reflect.PointerTo(t)
	for _, i := range marshalers {
		if ptr.Implements(i) {
			return true
		}
	}
	return false
}

var (
	cborPath   = reflect.TypeFor[cbor.RawMessage]().PkgPath()
	marshalers = []reflect.Type{
		reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler](),
		reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}
)

// recent remembers the shapes of the types that were asked for, each at a place that depends
// on the address of the type of a pointer to it. Where two types meet they take it from each
// other.
var recent [256]atomic.Pointer[recentShape]

type recentShape struct {
	pointer uintptr // the address
	shape   *shape  // nil if the type has none
}

// shapeBehind returns the shape of what v points to, nil if there is none. To look into plans
// would cost as much as two fields of a struct.
func shapeBehind(v any) *shape {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(v).IsNil() {
		return nil
	}
	pointer := reflect.ValueOf(t).Pointer() // types do not move, and are never freed
	place := &recent[(pointer>>5^pointer>>13)%uintptr(len(recent))]
	if r := place.Load(); r != nil && r.pointer == pointer {
		return r.shape
	}
	s := planOf(t.Elem()).shape
	place.Store(&recentShape{pointer, s})
	return s
}
