package envelope

import (
	"encoding/binary"

	"github.com/futures-go/futures/internal/remote"
)

// Kind says how a task ended.
type Kind = remote.Kind

const (
	Value      = remote.Value // the payload is the value; of all others but Crash it is an error record
	Failure    = remote.Failure
	Timeout    = remote.Timeout
	Panic      = remote.Panic
	PanicError = remote.PanicError
	Goexit     = remote.Goexit
	Refused    = remote.Refused

	Cancelled Kind = 7 // what it returned after it had been told to stop, or why it was not begun
	Crash     Kind = 8 // its worker process died: a record of AppendCrash
	Lost      Kind = 9 // its workers were lost as often as it allows
	kinds     Kind = 10
)

// Result is a result message.
type Result struct {
	Chunk   uint64
	Split   bool // the chunk was split: each item has a result of its own; no outcomes
	Partial bool // a notice: there will be a result of the whole chunk
	Claim   bool // no result yet: a task begins that may run only once; no outcomes
	Worker  string
	Items   []Outcome
}

// Outcome is how one task ended.
type Outcome struct {
	Index    int // in its chunk
	Kind     Kind
	Attempts int   // that the worker made
	RunNanos int64 // of the last one
	Payload  []byte
	Blob     Blob // where the payload is, if it is in the object store
}

const (
	resultSplit   = 1
	resultPartial = 2
	resultClaim   = 4

	outcomeHead  = 24
	outcomeBlob  = 1
	outcomeFlags = 1
)

// AppendResult appends a result message. It panics if r has more of something than its bound.
func AppendResult(dst []byte, r *Result) []byte {
	within(len(r.Items), MaxItems, "outcomes")
	var flags byte
	if r.Split {
		flags |= resultSplit
	}
	if r.Partial {
		flags |= resultPartial
	}
	if r.Claim {
		flags |= resultClaim
	}
	dst = appendHead(dst, kindResult)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(r.Items)))
	dst = append(dst, flags, 0)
	dst = binary.LittleEndian.AppendUint64(dst, r.Chunk)
	dst = appendText1(dst, r.Worker)
	for i := range r.Items {
		dst = appendOutcome(dst, &r.Items[i])
	}
	return dst
}

func appendOutcome(dst []byte, o *Outcome) []byte {
	within(o.Index, MaxItems-1, "as index")
	within(o.Attempts, MaxAttempts, "attempts")
	var flags byte
	if o.Blob.Name != "" {
		flags |= outcomeBlob
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(o.Index))
	dst = append(dst, byte(o.Kind), flags)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(o.Attempts))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(o.RunNanos))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(o.Payload)))
	dst = append(dst, 0, 0, 0, 0)
	if flags&outcomeBlob != 0 {
		dst = appendBlob(dst, o.Blob)
	}
	return append(dst, o.Payload...)
}

// ParseResult parses a result message (EN2, EN3).
func ParseResult(data []byte, into *Result) error {
	c := open(data, kindResult)
	items := int(c.uint16())
	flags := c.uint8()
	c.check(flags == 0 || flags == resultSplit || flags == resultPartial || flags == resultClaim, "flags")
	c.check(c.uint8() == 0, "reserved byte")
	into.Split, into.Partial, into.Claim = flags == resultSplit, flags == resultPartial, flags == resultClaim
	c.check((items == 0) == (into.Split || into.Claim), "number of outcomes")
	into.Chunk = c.uint64()
	into.Worker = c.text1(into.Worker)
	into.Items = resize(into.Items, c.count(items, MaxItems, outcomeHead, "number of outcomes"))
	for i := range into.Items {
		c.outcome(&into.Items[i])
	}
	return c.close("result")
}

func (c *cursor) outcome(o *Outcome) {
	o.Index = c.index()
	c.check(o.Index >= 0, "index")
	o.Kind = Kind(c.uint8())
	c.check(o.Kind < kinds, "outcome kind")
	flags := c.uint8()
	c.check(flags&^outcomeFlags == 0, "flags")
	o.Attempts = int(c.uint16())
	o.RunNanos = c.duration("run time")
	length := c.uint32()
	c.check(c.uint32() == 0, "reserved bytes")
	if flags&outcomeBlob != 0 {
		o.Blob = c.blob(o.Blob)
	} else {
		o.Blob = Blob{}
	}
	o.Payload = c.bytes(int(length))
}
