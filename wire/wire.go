// Package wire is where a program says what travels between processes beside the
// arguments and values of its functions: errors that errors.Is and errors.As are to find
// on the far side, and values of a context.
//
// Both sides register the same under the same names: in package-level variables or at the
// beginning of main, before procpool.ServeIfWorker. All functions may be called from any
// goroutine, and panic if a name or thing is registered twice or cannot travel.
//
// # What travels
//
// Values travel as CBOR (RFC 8949), about as encoding/json would have them: exported
// fields, by the names that the tags cbor or json give. Types with MarshalBinary,
// MarshalText or MarshalCBOR and the counterpart travel as those make them, and so do
// arguments and values of functions with the methods Marshal and Unmarshal of generated
// messages. Channels, functions, complex numbers, pointers that lead in a circle, and
// interfaces with methods do not travel; an interface without methods comes back as a
// plain value. [Check] tells of a type.
//
// Of an error travel its type's name, its text, the stack if it was a panic, which of the
// registered sentinels it matches, and the values of registered types that it wraps. It
// arrives as a *futures.RemoteError. The usual sentinels of the standard library (io.EOF,
// fs.ErrNotExist, context.Canceled and so on), those of package futures, and
// syscall.Errno are registered.
package wire

import (
	"reflect"

	"github.com/futures-go/futures/internal/codec"
)

// RegisterError lets errors.Is find err in errors that have travelled, if the original
// matched it. err must be comparable, as what errors.New returns is.
func RegisterError(name string, err error) { codec.RegisterSentinel(name, err) }

// RegisterErrorType lets errors of the concrete type E travel with their fields, so that
// errors.As finds them in errors that have travelled.
func RegisterErrorType[E error](name string) { codec.RegisterErrorType(name, reflect.TypeFor[E]()) }

// RegisterContextValue lets the value of type T that a context holds under key travel with
// tasks that are submitted with it: a request's id, a trace. Nothing else of a context
// travels but its deadline and its end.
func RegisterContextValue[T any](name string, key any) {
	codec.RegisterContextValue(name, key, reflect.TypeFor[T]())
}

// Check returns nil if values of type T can travel, or an error that names the field that
// cannot.
func Check[T any]() error { return codec.Check(reflect.TypeFor[T]()) }
