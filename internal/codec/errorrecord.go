package codec

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/futures-go/futures"
)

// The bounds of an error record: longer text is cut, more entries are dropped.
const (
	MaxErrorType    = 1 << 10
	MaxErrorMessage = 64 << 10
	MaxErrorStack   = 64 << 10
	MaxErrorNames   = 64
	MaxErrorValues  = 8
	MaxErrorValue   = 16 << 10
)

// errorRecord is an error as it travels.
type errorRecord struct {
	Type    string       `cbor:"1,keyasint"`
	Message string       `cbor:"2,keyasint"`
	Stack   string       `cbor:"3,keyasint,omitempty"`
	Names   []string     `cbor:"4,keyasint,omitempty"` // of sentinels that it matches, sorted
	Values  []errorValue `cbor:"5,keyasint,omitempty"` // of registered types in it, outermost first
}

type errorValue struct {
	_    struct{} `cbor:",toarray"`
	Name string
	Item cbor.RawMessage
}

// AppendError appends err, and the stack where it was returned if that is known, as an
// error record. It never fails and never panics, whatever err's methods do short of not
// returning (C5). A nil err is recorded as one that says so.
func AppendError(dst []byte, err error, stack string) []byte {
	w := errorWalk{known: tables(), left: maxErrorNodes}
	w.Stack = stack
	w.visit(err)
	w.Type, w.Message = describe(err)
	if e, ok := err.(*futures.RemoteError); ok && e != nil { // sent on: the original's, not ours
		w.Type = e.Type
	}
	w.Type = tidy(w.Type, MaxErrorType)
	w.Message = tidy(w.Message, MaxErrorMessage)
	w.Stack = tidy(w.Stack, MaxErrorStack)
	slices.Sort(w.Names) // the order of a map must not show
	b, e := encMode.Marshal(&w.errorRecord)
	if e != nil { // a value's encoding that the library refuses to pass on
		w.Values = nil
		b, _ = encMode.Marshal(&w.errorRecord)
	}
	return append(dst, b...)
}

// maxErrorNodes bounds the walk through a tree of wrapped errors, which may be a cycle.
const maxErrorNodes = 256

// errorWalk collects what travels of an error.
type errorWalk struct {
	errorRecord
	known *errorTables
	seen  []error // the nodes visited that can be compared
	left  int     // nodes that may still be visited
}

// visit looks at err and at all that it wraps, outermost first.
func (w *errorWalk) visit(err error) {
	if err == nil || w.left == 0 {
		return
	}
	w.left--
	if reflect.ValueOf(err).Comparable() {
		if slices.Contains(w.seen, err) {
			return
		}
		w.seen = append(w.seen, err)
	}
	var wrapped []error
	quietly(func() { w.look(err) })
	quietly(func() {
		switch u := err.(type) {
		case interface{ Unwrap() error }:
			wrapped = []error{u.Unwrap()}
		case interface{ Unwrap() []error }:
			wrapped = u.Unwrap()
		}
	})
	for _, next := range wrapped {
		w.visit(next)
	}
}

func (w *errorWalk) look(err error) {
	switch e := err.(type) {
	case *futures.RemoteError:
		if e != nil && w.Stack == "" {
			w.Stack = e.Stack
		}
	case *futures.PanicError:
		if e != nil && w.Stack == "" {
			w.Stack = string(e.Stack)
		}
	case *travelled: // all names that came, known here or not
		for _, name := range e.names {
			w.name(name)
		}
		for _, v := range e.values {
			w.value(v)
		}
		return
	case syscall.Errno:
		w.name(errnoName(e))
	}
	if reflect.ValueOf(err).Comparable() {
		if name, ok := w.known.names[err]; ok {
			w.name(name)
		}
	}
	if name, ok := w.known.typeNames[reflect.TypeOf(err)]; ok {
		w.encode(name, err)
	}
	if matcher, ok := err.(interface{ Is(error) bool }); ok {
		for name, sentinel := range w.known.sentinels {
			quietly(func() {
				if matcher.Is(sentinel) {
					w.name(name)
				}
			})
		}
	}
}

func (w *errorWalk) name(name string) {
	if len(w.Names) < MaxErrorNames && !slices.Contains(w.Names, name) {
		w.Names = append(w.Names, name)
	}
}

func (w *errorWalk) value(v errorValue) {
	if len(w.Values) < MaxErrorValues {
		w.Values = append(w.Values, v)
	}
}

// encode adds the value of a registered type. One that cannot be encoded, or is large,
// stays away: its type and message travel.
func (w *errorWalk) encode(name string, err error) {
	v := reflect.ValueOf(err)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return
	}
	holder := reflect.New(v.Type())
	holder.Elem().Set(v)
	if item, e := Append(nil, holder.Interface()); e == nil && len(item) <= MaxErrorValue {
		w.value(errorValue{Name: name, Item: item})
	}
}

// describe returns an error's type and message whatever its Error method does.
func describe(err error) (typ, message string) {
	if err == nil {
		return "", "nil error"
	}
	typ = reflect.TypeOf(err).String()
	defer func() {
		if p := recover(); p != nil {
			if v := reflect.ValueOf(err); v.Kind() == reflect.Pointer && v.IsNil() {
				message = "nil " + typ
				return
			}
			message = "its Error method panicked"
			quietly(func() { message = fmt.Sprintf("its Error method panicked: %v", p) })
		}
	}()
	return typ, err.Error()
}

func quietly(f func()) {
	defer func() { _ = recover() }()
	f()
}

// tidy makes s valid UTF-8 of at most limit bytes, and says if it had to cut.
func tidy(s string, limit int) string {
	length := len(s)
	s = strings.ToValidUTF8(s[:min(length, limit)], "\uFFFD")
	if length <= limit && len(s) <= limit {
		return s
	}
	mark := fmt.Sprintf("... (cut from %d bytes)", length)
	end := max(0, min(len(s), limit-len(mark)))
	for end > 0 && end < len(s) && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// errnoName is the name under which an errno travels. The numbers mean the same only on
// the same system, and on mips, Linux has its own.
func errnoName(errno syscall.Errno) string {
	system := runtime.GOOS
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		system += "/mips"
	}
	return "syscall.Errno:" + system + ":" + strconv.FormatUint(uint64(errno), 10)
}
