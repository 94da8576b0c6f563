package codec

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// plan is what is known of a type before any value exists.
type plan struct {
	err       error  // why it cannot travel
	message   bool   // by its own Marshal and Unmarshal
	userCode  bool   // methods of users' types run
	recursive bool   // values may be of any depth, and have cycles
	shape     *shape // the short way, nil if there is none
}

var plans sync.Map // reflect.Type to *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	c := checker{open: make(map[reflect.Type]bool)}
	p := &plan{message: isMessage(t)}
	if p.message {
		p.userCode = true
	} else if path, reason := c.check(t); reason != "" {
		p.err = fmt.Errorf("codec: %s: %s", strings.TrimSuffix(t.String()+path, "."), reason)
	}
	p.userCode = p.userCode || c.userCode
	p.recursive = c.recursive
	if p.err == nil && !p.userCode {
		p.shape = shapeOf(t)
	}
	plans.Store(t, p)
	return p
}

// Check returns an error if values of the type cannot travel. It names the field.
func Check(t reflect.Type) error { return planOf(t).err }

// RunsUserCode reports whether methods of users' types run when a t is encoded or
// decoded.
func RunsUserCode(t reflect.Type) bool { return planOf(t).userCode }

// message is a type that encodes itself as protobuf messages generated with such
// methods do.
type message interface {
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// A pair is how a type says that it encodes itself: both halves, on the type or its
// pointer.
type pair struct {
	marshal, unmarshal reflect.Type
	method             string
	// find finds the first half. Each pair has its own function, because the linker
	// drops a program's unused methods only if all that are looked up have constant
	// names.
	find func(reflect.Type) (reflect.Method, bool)
}

var pairs = []pair{
	{reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler](), "MarshalCBOR",
		func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalCBOR") }},
	{reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](), "MarshalBinary",
		func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalBinary") }},
	{reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextUnmarshaler](), "MarshalText",
		func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("MarshalText") }},
}

func isMessage(t reflect.Type) bool {
	if t.Kind() == reflect.Interface {
		return false
	}
	return reflect.PointerTo(t).Implements(reflect.TypeFor[message]()) && pairOf(t) == nil
}

// pairOf returns the pair of methods that t travels by, nil if by its kind.
func pairOf(t reflect.Type) *pair {
	ptr := reflect.PointerTo(t)
	for i := range pairs {
		if p := &pairs[i]; ptr.Implements(p.unmarshal) && (t.Implements(p.marshal) || ptr.Implements(p.marshal)) {
			return p
		}
	}
	return nil
}

// Types that the library knows.
var known = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():       true,
	reflect.TypeFor[big.Int]():         true,
	reflect.TypeFor[cbor.RawMessage](): true,
}

// checker walks through a type.
type checker struct {
	open                map[reflect.Type]bool // on the way to where the walk is
	userCode, recursive bool
}

// check returns where in t something cannot travel, and why.
func (c *checker) check(t reflect.Type) (path, reason string) {
	if known[t] {
		return "", ""
	}
	if c.open[t] {
		c.recursive = true
		return "", ""
	}
	c.open[t] = true
	defer delete(c.open, t)
	if t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface {
		if p := pairOf(t); p != nil {
			c.userCode = true
			if field := promotedFrom(t, p); field != "" {
				return "", fmt.Sprintf("it has %s only because it embeds %s, and would travel as that alone", p.method, field)
			}
			return "", ""
		}
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "", ""
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return "", fmt.Sprintf("the interface %v cannot travel, since the other side cannot know what was in it", t)
		}
		c.recursive = true // what it holds is seen only when it is encoded
		c.userCode = true
		return "", ""
	case reflect.Pointer, reflect.Slice:
		suffix := ""
		if t.Kind() == reflect.Slice {
			suffix = "[]"
		}
		path, reason = c.check(t.Elem())
		return suffix + path, reason
	case reflect.Array:
		path, reason = c.check(t.Elem())
		return "[" + strconv.Itoa(t.Len()) + "]" + path, reason
	case reflect.Map:
		if path, reason = c.check(t.Key()); reason != "" {
			return "[key]" + path, reason
		}
		path, reason = c.check(t.Elem())
		return "[value]" + path, reason
	case reflect.Struct:
		return c.checkStruct(t)
	}
	return "", fmt.Sprintf("%v cannot travel", t)
}

func (c *checker) checkStruct(t reflect.Type) (path, reason string) {
	fields := 0
	for i := range t.NumField() {
		f := t.Field(i)
		if tag := f.Tag.Get("cbor"); tag == "-" || tag == "" && f.Tag.Get("json") == "-" {
			continue
		}
		if f.Name == "_" {
			continue
		}
		if !f.IsExported() && !(f.Anonymous && structOf(f.Type)) {
			continue
		}
		fields++
		if path, reason := c.check(f.Type); reason != "" {
			return "." + f.Name + path, reason
		}
	}
	if fields == 0 && t.NumField() > 0 {
		return "", "it has no exported field, so nothing of it would travel"
	}
	return "", ""
}

func structOf(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// promotedFrom returns the embedded field from which a struct with other fields has the
// first method of p, if it does not declare the method itself.
func promotedFrom(t reflect.Type, p *pair) string {
	if t.Kind() != reflect.Struct || t.NumField() < 2 {
		return ""
	}
	from := ""
	for i := range t.NumField() {
		if f := t.Field(i); f.Anonymous && (f.Type.Implements(p.marshal) || reflect.PointerTo(f.Type).Implements(p.marshal)) {
			from = f.Type.String()
		}
	}
	if from == "" {
		return ""
	}
	m, ok := p.find(t)
	if !ok {
		if m, ok = p.find(reflect.PointerTo(t)); !ok {
			return ""
		}
	}
	// A promoted method is written by the compiler, which gives it no file.
	if fn := runtime.FuncForPC(m.Func.Pointer()); fn != nil {
		if file, _ := fn.FileLine(fn.Entry()); file == "<autogenerated>" {
			return from
		}
	}
	return ""
}

// checkDepth refuses a value that is too deep, or a cycle, on which the library would
// overflow the stack. It looks only where there can be depth.
func checkDepth(v reflect.Value, path string, left int) error {
	if left == 0 {
		return fmt.Errorf("codec: %.200s...: more than %d levels, or a cycle", path, MaxDepth)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return checkDepth(v.Elem(), path, left-1)
	case reflect.Slice, reflect.Array:
		if flat(v.Type().Elem()) {
			return nil
		}
		for i := range v.Len() {
			if err := checkDepth(v.Index(i), path+"["+strconv.Itoa(i)+"]", left-1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			if err := checkDepth(iter.Key(), path+"[key]", left-1); err != nil {
				return err
			}
			if err := checkDepth(iter.Value(), path+"[value]", left-1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if known[v.Type()] || pairOf(v.Type()) != nil {
			return nil
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous {
				if err := checkDepth(v.Field(i), path+"."+f.Name, left-1); err != nil {
					return err
				}
			}
		}
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.Uintptr, reflect.UnsafePointer:
		return fmt.Errorf("codec: %s: %v cannot travel", path, v.Type())
	}
	return nil
}

func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Map, reflect.Struct:
		return false
	}
	return true
}
