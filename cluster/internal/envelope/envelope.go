package envelope

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

const (
	version  = 1
	headSize = 4
)

// The kinds of messages.
const (
	kindTask   = 'T'
	kindResult = 'R'
	kindNotice = 'N'
	kindCancel = 'C'
	kindHave   = 'H'
	kindDead   = 'D'
)

// The bounds of what travels.
const (
	MaxItems    = 1024  // items of a task message, outcomes of a result message
	MaxLosses   = 64    // of a task message; older ones are dropped by who appends more
	MaxShort    = 255   // bytes of a client, an epoch, a worker, the name of a blob
	MaxName     = 65535 // bytes of a function's name
	MaxText     = 65535 // bytes of a label's key or value, of a reason, of a subject
	MaxLabels   = 1024  // of an item
	MaxRefs     = 65536 // references of a notice or a cancel, each of the three lists
	MaxAttempts = 65535
	MaxLost     = 65535
)

// ErrMalformed is what the error of a Parse function wraps.
var ErrMalformed = errors.New("cluster: malformed message")

func appendHead(dst []byte, kind byte) []byte { return append(dst, 'f', 'x', kind, version) }

// cursor reads a message. After the first thing that is not there or not valid it reads
// zeros only, and failed says what it was.
type cursor struct {
	data   []byte // what is left
	failed string
}

// open returns a cursor behind the head of a message.
func open(data []byte, kind byte) cursor {
	c := cursor{data: data}
	switch head := c.bytes(headSize); {
	case c.failed != "":
	case head[0] != 'f' || head[1] != 'x':
		c.fail("magic")
	case head[2] != kind:
		c.fail("kind")
	case head[3] != version:
		c.fail("version")
	}
	return c
}

func (c *cursor) fail(what string) {
	if c.failed == "" {
		c.failed = what
	}
	c.data = nil
}

// check notes that what was read is not valid.
func (c *cursor) check(ok bool, what string) {
	if !ok {
		c.fail(what)
	}
}

// bytes returns the next n bytes, which belong to the message.
func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.data) {
		c.fail("length")
		return nil
	}
	b := c.data[:n:n]
	c.data = c.data[n:]
	return b
}

func (c *cursor) uint8() uint8 {
	if b := c.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (c *cursor) uint16() uint16 {
	if b := c.bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (c *cursor) uint32() uint32 {
	if b := c.bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if b := c.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// duration returns a time or a duration that is not negative.
func (c *cursor) duration(what string) int64 {
	n := int64(c.uint64())
	c.check(n >= 0, what)
	return max(0, n)
}

// index returns an index of an item, -1 for all.
func (c *cursor) index() int {
	n := int32(c.uint32())
	c.check(n >= -1 && n < MaxItems, "index")
	return int(n)
}

// text returns the next n bytes as text: was itself, if it is the same.
func (c *cursor) text(n int, was string) string {
	b := c.bytes(n)
	if string(b) == was {
		return was
	}
	if !utf8.Valid(b) {
		c.fail("text")
		return ""
	}
	return string(b)
}

func (c *cursor) text1(was string) string { return c.text(int(c.uint8()), was) }
func (c *cursor) text2(was string) string { return c.text(int(c.uint16()), was) }

// close returns the error of a message of which nothing may be left.
func (c *cursor) close(what string) error {
	if c.failed == "" && len(c.data) > 0 {
		c.failed = "end"
	}
	if c.failed != "" {
		return fmt.Errorf("%w: %s: bad %s", ErrMalformed, what, c.failed)
	}
	return nil
}

// count returns a number of things that take at least size bytes each, so that a short
// message does not make who reads it allocate for many.
func (c *cursor) count(n, most, size int, what string) int {
	if n > most || n*size > len(c.data) {
		c.fail(what)
		return 0
	}
	return n
}

func appendText1(dst []byte, s string) []byte {
	if len(s) > MaxShort {
		panic(fmt.Sprintf("envelope: a text of %d bytes, at most %d", len(s), MaxShort))
	}
	return append(append(dst, byte(len(s))), s...)
}

func appendText2(dst []byte, s string) []byte {
	if len(s) > MaxText {
		panic(fmt.Sprintf("envelope: a text of %d bytes, at most %d", len(s), MaxText))
	}
	return append(binary.LittleEndian.AppendUint16(dst, uint16(len(s))), s...)
}

// within panics if a number of the caller's does not fit.
func within(n, most int, what string) {
	if n < 0 || n > most {
		panic(fmt.Sprintf("envelope: %d %s, at most %d", n, what, most))
	}
}

// resize returns s with n elements, the old ones kept so that their memory is used again.
func resize[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n]
	}
	return append(s[:cap(s)], make([]T, n-cap(s))...)
}

// Blob names a payload that is in the object store. The zero value is none.
type Blob struct {
	Name string
	Size int64
}

func appendBlob(dst []byte, b Blob) []byte {
	return appendText1(binary.LittleEndian.AppendUint64(dst, uint64(b.Size)), b.Name)
}

func (c *cursor) blob(was Blob) Blob {
	b := Blob{Size: c.duration("size of a blob")}
	b.Name = c.text1(was.Name)
	c.check(b.Name != "", "name of a blob")
	return b
}
