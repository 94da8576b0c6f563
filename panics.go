package futures

import "runtime/debug"

// recoverPanic makes a *PanicError of what recover returned, and nil of nil. A
// nil here is a runtime.Goexit, since a panic's value is never nil.
func recoverPanic(v any) error {
	if v == nil {
		return nil
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}
