package ipc

import (
	"fmt"
	"hash/fnv"
	"io"
	"reflect"
	"strconv"
	"sync"
)

// shape is what is known of a type whose values are in shared memory as they are.
type shape struct {
	err     error  // why they cannot be
	hash    uint64 // of all that another process's type must have in common with it
	size    int
	kind    reflect.Kind
	integer bool
}

var shapes sync.Map // reflect.Type to *shape

func shapeOf[T any]() *shape {
	t := reflect.TypeFor[T]()
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := &shape{size: int(t.Size()), kind: t.Kind()}
	s.integer = s.kind >= reflect.Int && s.kind <= reflect.Uint64
	h := fnv.New64a()
	if path, reason := describe(h, t); reason != "" {
		s.err = fmt.Errorf("%s%s: %s", t, path, reason)
	} else if s.size == 0 {
		s.err = fmt.Errorf("%s: its values have no size", t)
	}
	s.hash = h.Sum64()
	shapes.Store(t, s)
	return s
}

// describe writes what two processes must agree on: kinds, sizes, and the names and offsets
// of fields, not the names of types. It returns where in t something cannot be in shared
// memory, and why.
func describe(w io.Writer, t reflect.Type) (path, reason string) {
	switch kind := t.Kind(); {
	case t.PkgPath() == "sync" && t.Size() > 0:
		return "", fmt.Sprintf("%v works within one process only; see ipc.Mutex and its like", t)
	case kind == reflect.Uintptr:
		return "", "a uintptr means nothing to another process; an integer of another type does"
	case kind >= reflect.Bool && kind <= reflect.Complex128:
		fmt.Fprintf(w, "%v%d", kind, t.Size())
		return "", ""
	case kind == reflect.Array:
		fmt.Fprintf(w, "[%d]", t.Len())
		path, reason = describe(w, t.Elem())
		return "[" + strconv.Itoa(t.Len()) + "]" + path, reason
	case kind == reflect.Struct:
		fmt.Fprint(w, "{")
		for i := range t.NumField() {
			f := t.Field(i)
			fmt.Fprintf(w, "%s %d ", f.Name, f.Offset)
			if path, reason := describe(w, f.Type); reason != "" {
				return "." + f.Name + path, reason
			}
			fmt.Fprint(w, ";")
		}
		fmt.Fprintf(w, "}%d", t.Size())
		return "", ""
	}
	return "", fmt.Sprintf("%v refers to memory of one process; what is shared has a fixed size and no pointers", t)
}

// agree returns an error unless the object was made for values of this shape.
func (s *shape) agree(have uint64, t reflect.Type) error {
	if s.err != nil {
		return s.err
	}
	if have != s.hash {
		return fmt.Errorf("%w: it was not made for %v: the sizes, kinds, offsets or names differ", ErrMismatch, t)
	}
	return nil
}
