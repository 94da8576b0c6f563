package envelope

import "encoding/binary"

// DeadLetter is a message that nobody will run any more.
type DeadLetter struct {
	Time    int64
	Worker  string // that gave up
	Reason  string
	Subject string // under which the message came
	Message []byte // as it came; it need not be a task message
}

// AppendDeadLetter appends a dead letter. It panics if d has more of something than its
// bound.
func AppendDeadLetter(dst []byte, d *DeadLetter) []byte {
	dst = appendHead(dst, kindDead)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(d.Message)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(d.Time))
	dst = appendText1(dst, d.Worker)
	dst = appendText2(dst, d.Reason)
	dst = appendText2(dst, d.Subject)
	return append(dst, d.Message...)
}

// ParseDeadLetter parses a dead letter (EN2, EN3).
func ParseDeadLetter(data []byte, into *DeadLetter) error {
	c := open(data, kindDead)
	length := c.uint32()
	into.Time = int64(c.uint64())
	into.Worker = c.text1(into.Worker)
	into.Reason = c.text2(into.Reason)
	into.Subject = c.text2(into.Subject)
	into.Message = c.bytes(int(length))
	return c.close("dead letter")
}
