package codec

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/futures-go/futures"
)

// travelled is what of an error has travelled beside its text: the cause of a
// *futures.RemoteError.
type travelled struct {
	message string
	names   []string     // of sentinels, unknown ones too: they may be sent on
	values  []errorValue // likewise
	causes  []error      // the values whose types are known here
}

func (e *travelled) Error() string { return e.message }

// Is reports whether the original matched the registered sentinel target.
func (e *travelled) Is(target error) bool {
	if errno, ok := target.(syscall.Errno); ok {
		return slices.Contains(e.names, errnoName(errno))
	}
	if !reflect.ValueOf(target).Comparable() {
		return false
	}
	name, ok := tables().names[target]
	return ok && slices.Contains(e.names, name)
}

// Unwrap returns the values of registered types that the original wrapped, the outermost
// first.
func (e *travelled) Unwrap() []error { return e.causes }

// DecodeError decodes an error record. It never fails: of a record that cannot be read it
// returns an error that says so (C5).
func DecodeError(data []byte) *futures.RemoteError {
	var r errorRecord
	err := decMode.Unmarshal(data, &r)
	e := &futures.RemoteError{
		Type:    tidy(r.Type, MaxErrorType),
		Message: tidy(r.Message, MaxErrorMessage),
		Stack:   tidy(r.Stack, MaxErrorStack),
	}
	if err != nil && e.Message == "" {
		e.Message = fmt.Sprintf("codec: damaged error record: %v", err)
	}
	cause := &travelled{message: e.Message}
	for _, name := range r.Names {
		if len(cause.names) < MaxErrorNames && name != "" && len(name) <= MaxName {
			cause.names = append(cause.names, strings.Clone(name))
		}
	}
	for _, v := range r.Values {
		if len(cause.values) == MaxErrorValues || v.Name == "" || len(v.Name) > MaxName || len(v.Item) > MaxErrorValue {
			continue
		}
		v.Item = slices.Clone(v.Item)
		cause.values = append(cause.values, v)
		if t, known := tables().types[v.Name]; known {
			if value := decodeValue(t, v.Item); value != nil {
				cause.causes = append(cause.causes, value)
			}
		}
	}
	if len(cause.names)+len(cause.values) > 0 {
		e.Cause = cause
	}
	return e
}

// decodeValue returns nil for what is no value of the type.
func decodeValue(t reflect.Type, item []byte) error {
	holder := reflect.New(t)
	if Decode(item, holder.Interface()) != nil {
		return nil
	}
	if v := holder.Elem(); v.Kind() == reflect.Pointer && v.IsNil() {
		return nil
	}
	err, _ := holder.Elem().Interface().(error)
	return err
}
