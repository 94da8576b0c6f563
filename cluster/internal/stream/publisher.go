package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"github.com/nats-io/nats.go"
)

// A Publisher stores messages in streams. It sends a message again until the server
// has answered: after a reconnection, when something that was sent later to the same
// stream is stored, or when there is no answer for callWait.
type Publisher struct {
	exchange *exchange
}

// NewPublisher makes a publisher. It ends with the connection.
func (c *Conn) NewPublisher() (*Publisher, error) {
	x, err := c.newExchange(true)
	if err != nil {
		return nil, err
	}
	return &Publisher{x}, nil
}

// Publish sends a message, and has done called once: with the sequence number that
// the message has in its stream, or with the error that the server answered, a
// *APIError, or that ended the wait, a *PermissionError or ErrClosed. An error that
// Publish itself returns means that nothing was sent and done is not called: a
// *SizeError, ErrClosed, or that the subject is malformed.
//
// With an id, whichever copy comes first is stored and the others are acknowledged as
// if they were (ST2); the server knows an id for as long as the stream's window says. Without
// one the message must be such that a second copy does no harm.
//
// Header may be nil. Header and data must not be changed before done is called.
func (p *Publisher) Publish(subject, id string, header nats.Header, data []byte, done func(sequence uint64, err error)) error {
	if id != "" {
		with := make(nats.Header, len(header)+1)
		for k, v := range header {
			with[k] = v
		}
		with[nats.MsgIdHdr] = []string{id}
		header = with
	}
	where := p.exchange.conn.where
	return p.exchange.send(subject, header, data, callWait, func(m *nats.Msg, err error) {
		var sequence uint64
		if err == nil {
			sequence, err = parseAck(where, m)
		}
		done(sequence, err)
	})
}

// Outstanding returns how many messages have no answer.
func (p *Publisher) Outstanding() int {
	p.exchange.mu.Lock()
	defer p.exchange.mu.Unlock()
	return len(p.exchange.pending)
}

var sequenceKey = []byte(`"seq":`)

// parseAck returns the sequence number that a server acknowledges.
func parseAck(where string, m *nats.Msg) (uint64, error) {
	// {"stream":"FX_default_TASKS","seq":12} is what comes nearly always.
	if _, rest, found := bytes.Cut(m.Data, sequenceKey); found && !bytes.Contains(m.Data, errorKey) {
		if n, valid := leadingNumber(rest); valid {
			return n, nil
		}
	}
	if err := refusal(where, m); err != nil {
		return 0, err
	}
	var ack struct {
		Sequence uint64 `json:"seq"`
	}
	if err := json.Unmarshal(m.Data, &ack); err != nil || ack.Sequence == 0 {
		return 0, fmt.Errorf("%s: an acknowledgement that does not decode: %.100q", where, m.Data)
	}
	return ack.Sequence, nil
}

// leadingNumber parses the digits that b begins with. Zero, and what does not fit,
// is not valid.
func leadingNumber(b []byte) (n uint64, valid bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		if n > (math.MaxUint64-9)/10 {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, n > 0
}
