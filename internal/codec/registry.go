package codec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/futures-go/futures"
)

// errorTables holds what both sides know of errors. It is replaced as a whole by a
// registration and never changed, so that it is read without a lock and no lock is held
// while methods of errors run (C6).
type errorTables struct {
	sentinels map[string]error // by name
	names     map[error]string // the same the other way round
	types     map[string]reflect.Type
	typeNames map[reflect.Type]string
}

var (
	registering sync.Mutex // held by a registration from reading the tables to storing the next
	registered  atomic.Pointer[errorTables]
)

func tables() *errorTables {
	if t := registered.Load(); t != nil {
		return t
	}
	registered.CompareAndSwap(nil, standardTables())
	return registered.Load()
}

// MaxName bounds the names that are registered, in bytes.
const MaxName = 256

func checkName(caller, name string) {
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
		panic(fmt.Sprintf("%s: %q is no name: 1 to %d bytes of UTF-8 make one", caller, name, MaxName))
	}
}

// RegisterSentinel lets errors.Is find err in decoded errors whose originals matched it.
// Both sides register it under the same name. It panics if the name or the error is
// registered already, or if err is nil or cannot be compared.
func RegisterSentinel(name string, err error) {
	const caller = "RegisterSentinel"
	checkName(caller, name)
	if err == nil || !reflect.ValueOf(err).Comparable() {
		panic(fmt.Sprintf("%s: %s: an error that can be compared is needed", caller, name))
	}
	registering.Lock()
	defer registering.Unlock()
	next := *tables()
	if _, taken := next.sentinels[name]; taken {
		panic(fmt.Sprintf("%s: the name %s is registered already", caller, name))
	}
	if other, taken := next.names[err]; taken {
		panic(fmt.Sprintf("%s: %s is registered already, as %s", caller, name, other))
	}
	next.sentinels, next.names = maps.Clone(next.sentinels), maps.Clone(next.names)
	next.sentinels[name], next.names[err] = err, name
	registered.Store(&next)
}

// RegisterErrorType lets errors of the concrete type t travel with their fields, so that
// errors.As finds one in decoded errors. Both sides register it under the same name. It
// panics if the name or the type is registered already, if t is an interface or no
// error, or if Check refuses it.
func RegisterErrorType(name string, t reflect.Type) {
	const caller = "RegisterErrorType"
	checkName(caller, name)
	if t.Kind() == reflect.Interface || !t.Implements(reflect.TypeFor[error]()) {
		panic(fmt.Sprintf("%s: %s: %v is no concrete type of errors", caller, name, t))
	}
	if err := Check(t); err != nil {
		panic(fmt.Sprintf("%s: %s: %v", caller, name, err))
	}
	registering.Lock()
	defer registering.Unlock()
	next := *tables()
	if _, taken := next.types[name]; taken {
		panic(fmt.Sprintf("%s: the name %s is registered already", caller, name))
	}
	if other, taken := next.typeNames[t]; taken {
		panic(fmt.Sprintf("%s: %v is registered already, as %s", caller, t, other))
	}
	next.types, next.typeNames = maps.Clone(next.types), maps.Clone(next.typeNames)
	next.types[name], next.typeNames[t] = t, name
	registered.Store(&next)
}

// standardTables has the errors of the standard library and of package futures that tasks
// return.
func standardTables() *errorTables {
	t := &errorTables{
		sentinels: map[string]error{
			"context.Canceled":         context.Canceled,
			"context.DeadlineExceeded": context.DeadlineExceeded,
			"errors.ErrUnsupported":    errors.ErrUnsupported,
			"exec.ErrDot":              exec.ErrDot,
			"exec.ErrNotFound":         exec.ErrNotFound,
			"exec.ErrWaitDelay":        exec.ErrWaitDelay,
			"fs.ErrClosed":             fs.ErrClosed,
			"fs.ErrExist":              fs.ErrExist,
			"fs.ErrInvalid":            fs.ErrInvalid,
			"fs.ErrNotExist":           fs.ErrNotExist,
			"fs.ErrPermission":         fs.ErrPermission,
			"futures.ErrBroken":        futures.ErrBroken,
			"futures.ErrCancelled":     futures.ErrCancelled,
			"futures.ErrClosed":        futures.ErrClosed,
			"futures.ErrInvalidState":  futures.ErrInvalidState,
			"futures.ErrNotRegistered": futures.ErrNotRegistered,
			"futures.ErrQueueFull":     futures.ErrQueueFull,
			"futures.ErrTimeout":       futures.ErrTimeout,
			"io.EOF":                   io.EOF,
			"io.ErrClosedPipe":         io.ErrClosedPipe,
			"io.ErrNoProgress":         io.ErrNoProgress,
			"io.ErrShortBuffer":        io.ErrShortBuffer,
			"io.ErrShortWrite":         io.ErrShortWrite,
			"io.ErrUnexpectedEOF":      io.ErrUnexpectedEOF,
			"net.ErrClosed":            net.ErrClosed,
			"os.ErrDeadlineExceeded":   os.ErrDeadlineExceeded,
			"os.ErrNoDeadline":         os.ErrNoDeadline,
			"os.ErrProcessDone":        os.ErrProcessDone,
		},
		names:     make(map[error]string),
		types:     make(map[string]reflect.Type),
		typeNames: make(map[reflect.Type]string),
	}
	for name, err := range t.sentinels {
		t.names[err] = name
	}
	return t
}
