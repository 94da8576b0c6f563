package envelope

import (
	"fmt"
	"strings"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// crash is a *futures.CrashError as it travels: a value of package codec.
type crash struct {
	PID      int    `cbor:"1,keyasint"`
	ExitCode int    `cbor:"2,keyasint"`
	Signal   string `cbor:"3,keyasint,omitempty"`
	OOM      bool   `cbor:"4,keyasint,omitempty"`
	Stderr   string `cbor:"5,keyasint,omitempty"`
	Task     string `cbor:"6,keyasint"`
	Attempt  int    `cbor:"7,keyasint"`
	Cause    []byte `cbor:"8,keyasint,omitempty"` // an error record
}

// AppendCrash appends the payload of a Crash: a value of package codec with the fields of
// the error as the keys 1 to 8 in their order, the last of them an error record.
func AppendCrash(dst []byte, e *futures.CrashError) []byte {
	c := crash{PID: e.PID, ExitCode: e.ExitCode, Signal: tidy(e.Signal), OOM: e.OOM, Stderr: tidy(e.Stderr), Task: tidy(e.Task), Attempt: e.Attempt}
	if e.Cause != nil {
		c.Cause = codec.AppendError(nil, e.Cause, "")
	}
	out, err := codec.Append(dst, &c)
	if err != nil { // nothing in it can be refused
		panic(fmt.Sprintf("envelope: %v", err))
	}
	return out
}

// ParseCrash returns the error that a Crash means. It always returns one.
func ParseCrash(payload []byte) *futures.CrashError {
	var c crash
	if err := codec.Decode(payload, &c); err != nil {
		return &futures.CrashError{ExitCode: -1, Cause: fmt.Errorf("%w: crash: %w", ErrMalformed, err)}
	}
	e := &futures.CrashError{PID: c.PID, ExitCode: c.ExitCode, Signal: c.Signal, OOM: c.OOM, Stderr: c.Stderr, Task: c.Task, Attempt: c.Attempt}
	if len(c.Cause) > 0 {
		e.Cause = codec.DecodeError(c.Cause)
	}
	return e
}

// tidy makes text that a process has printed travel.
func tidy(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
