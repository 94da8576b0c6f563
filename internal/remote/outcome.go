package remote

import (
	"fmt"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// Kind says how a task ended in its worker. The numbers are those on the wire.
type Kind uint8

const (
	Value      Kind = 0 // the value; all others have an error record
	Failure    Kind = 1 // what the function returned
	Timeout    Kind = 2 // what the function returned after its timeout
	Panic      Kind = 3 // the text of what was given to panic, and the stack
	PanicError Kind = 4 // the error that was given to panic, and the stack
	Goexit     Kind = 5 // the stack of the end of the goroutine
	Refused    Kind = 6 // why the function was not called, or its value cannot be sent
)

// Error returns the error that an error record means for t, whose executor is of that name.
func Error(kind Kind, record []byte, t *futures.Task, executor string) error {
	remote := codec.DecodeError(record)
	switch kind {
	case Timeout:
		return t.TimedOut(remote)
	case Panic:
		return &futures.PanicError{Value: remote.Message, Stack: []byte(remote.Stack)}
	case PanicError:
		return &futures.PanicError{Value: remote, Stack: []byte(remote.Stack)}
	case Goexit:
		return &futures.PanicError{Goexit: true, Stack: []byte(remote.Stack)}
	case Refused:
		return fmt.Errorf("%s: %w", executor, remote)
	default:
		return remote
	}
}
