package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A Message is a message that a Puller was given. It is to be answered with Ack, Term
// or Nak before the consumer's AckWait is over, which Progress begins anew; otherwise
// it is delivered again.
type Message struct {
	*nats.Msg
	Sequence  uint64    // in the stream
	Delivered uint64    // how many times, this one included
	Stored    time.Time // when the stream took it
	Pending   uint64    // how many others the consumer could deliver, when it sent this one
	Polled    bool      // it answers a Poll, not a Request

	conn *Conn
}

const ackPrefix = "$JS.ACK."

var (
	ack      = []byte("+ACK")
	progress = []byte("+WPI")
	nak      = []byte("-NAK")
	term     = []byte("+TERM")
)

// Ack tells the server that the message is done with. It does not wait for the server
// to know it: if the acknowledgement is lost the message is delivered again.
func (m *Message) Ack() error { return m.conn.NC.Publish(m.Reply, ack) }

// AckSync is Ack, and returns when the server has confirmed it.
func (m *Message) AckSync(ctx context.Context) error {
	_, err := m.conn.Call(ctx, m.Reply, ack)
	return err
}

// Progress begins AckWait anew.
func (m *Message) Progress() error { return m.conn.NC.Publish(m.Reply, progress) }

// Nak hands the message back, to be delivered again after delay.
func (m *Message) Nak(delay time.Duration) error {
	data := nak
	if delay > 0 {
		data = fmt.Appendf(nil, `-NAK {"delay": %d}`, delay.Nanoseconds())
	}
	return m.conn.NC.Publish(m.Reply, data)
}

// Term tells the server never to deliver the message again, and why. In a work queue
// that removes it.
func (m *Message) Term(reason string) error {
	data := term
	if reason != "" {
		data = append(append([]byte(nil), "+TERM "...), strings.Map(printable, reason)...)
	}
	return m.conn.NC.Publish(m.Reply, data)
}

func printable(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// parseReply fills in what the reply subject of a delivered message tells:
//
//	$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<time>.<pending>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>. ... .<pending>[.<token>]
func (m *Message) parseReply() error {
	rest, ours := strings.CutPrefix(m.Reply, ackPrefix)
	skip := 2 // stream, consumer
	if dots := strings.Count(rest, "."); dots >= 8 {
		skip = 4
	} else if dots != 6 {
		ours = false
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var fields [5]uint64
	for i := range fields {
		var text string
		text, rest, _ = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(text, 10, 64)
		ours = ours && err == nil
		fields[i] = n
	}
	if !ours {
		return fmt.Errorf("reply subject %q is not one of a delivered message", m.Reply)
	}
	m.Delivered, m.Sequence, m.Stored, m.Pending = fields[0], fields[1], time.Unix(0, int64(fields[3])), fields[4]
	return nil
}

// A pullRequest asks a consumer for messages.
type pullRequest struct {
	Batch   int           `json:"batch"`
	Expires time.Duration `json:"expires,omitempty"`
	NoWait  bool          `json:"no_wait,omitempty"`
}

func (r pullRequest) encode() []byte {
	data, _ := json.Marshal(r) // such a struct can be encoded
	return data
}
