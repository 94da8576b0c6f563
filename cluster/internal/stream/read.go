package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// A Stored is a message in a stream.
type Stored struct {
	Subject  string
	Header   nats.Header
	Data     []byte
	Sequence uint64
	Time     time.Time // when it was stored
}

// Last has done called once with the last message of a subject in a stream that allows
// direct gets, or with an error: ErrNotFound, or one of Call. It returns at once.
func (c *Conn) Last(stream, subject string, done func(Stored, error)) {
	err := c.api.send("$JS.API.DIRECT.GET."+stream+"."+subject, nil, nil, callWait, func(m *nats.Msg, err error) {
		if err != nil {
			done(Stored{}, err)
			return
		}
		done(parseStored(c.where, m))
	})
	if err != nil {
		done(Stored{}, err)
	}
}

// GetLast is Last, and waits.
func (c *Conn) GetLast(ctx context.Context, stream, subject string) (Stored, error) {
	type answer struct {
		Stored
		error
	}
	answers := make(chan answer, 1)
	c.Last(stream, subject, func(s Stored, err error) { answers <- answer{s, err} })
	select {
	case a := <-answers:
		return a.Stored, a.error
	case <-ctx.Done():
		return Stored{}, ctx.Err()
	}
}

// GetNext returns the first message of a stream that allows direct gets whose number is at
// least from and whose subject the filter matches. Errors are those of Last.
func (c *Conn) GetNext(ctx context.Context, stream, filter string, from uint64) (Stored, error) {
	data, _ := json.Marshal(struct { // numbers and strings can be encoded
		From   uint64 `json:"seq"`
		Filter string `json:"next_by_subj"`
	}{from, filter})
	type answer struct {
		Stored
		error
	}
	answers := make(chan answer, 1)
	err := c.api.send("$JS.API.DIRECT.GET."+stream, nil, data, callWait, func(m *nats.Msg, err error) {
		var s Stored
		if err == nil {
			s, err = parseStored(c.where, m)
		}
		answers <- answer{s, err}
	})
	if err != nil {
		return Stored{}, err
	}
	select {
	case a := <-answers:
		return a.Stored, a.error
	case <-ctx.Done():
		return Stored{}, ctx.Err()
	}
}

// parseStored reads the answer to a direct get.
func parseStored(where string, m *nats.Msg) (s Stored, err error) {
	switch status := m.Header.Get("Status"); status {
	case "":
	case "404":
		return s, ErrNotFound
	default:
		if err := refusal(where, m); err != nil {
			return s, err
		}
		return s, fmt.Errorf("%s: direct get: %s %s", where, status, m.Header.Get("Description"))
	}
	s = Stored{Subject: m.Header.Get("Nats-Subject"), Header: m.Header, Data: m.Data}
	if s.Sequence, err = strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64); err != nil {
		return s, fmt.Errorf("%s: direct get: an answer without a sequence number", where)
	}
	s.Time, err = time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	return s, err
}

// Delete removes a message by its sequence number, and has done called once: with nil
// if there is no such message any more, or with an error of Call. Sent is whether this
// call removed it. It returns at once.
func (c *Conn) Delete(stream string, sequence uint64, done func(removed bool, err error)) {
	data := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, sequence)
	c.Go("$JS.API.STREAM.MSG.DELETE."+stream, data, func(_ []byte, err error) {
		if e, is := errors.AsType[*APIError](err); is {
			switch e.ErrCode {
			case CodeDeleteFailed, CodeMessageNotFound, CodeSequenceNotFound:
				done(false, nil)
				return
			}
		}
		done(err == nil, err)
	})
}

// Purge removes the messages of the subjects that a filter matches, and has done
// called once with their number or with an error of Call. It returns at once.
func (c *Conn) Purge(stream, filter string, done func(removed uint64, err error)) {
	data, _ := json.Marshal(map[string]string{"filter": filter}) // strings can be encoded
	c.Go("$JS.API.STREAM.PURGE."+stream, data, func(data []byte, err error) {
		var answer struct {
			Purged uint64 `json:"purged"`
		}
		if err == nil {
			err = json.Unmarshal(data, &answer)
		}
		done(answer.Purged, err)
	})
}

// TTLHeader makes a message one that goes after a time, in whole seconds, in a stream that
// allows that.
func TTLHeader(d time.Duration) nats.Header {
	return nats.Header{"Nats-TTL": {strconv.Itoa(int(d.Seconds())) + "s"}}
}

// ScheduleHeader makes a message that is published to a subject At a delayed one: at
// the time it becomes a message with the subject target, a Due. The server is up to some
// milliseconds late, and never sooner than a quarter of a second.
func ScheduleHeader(at time.Time, target string) nats.Header {
	return nats.Header{
		// With fractions: of a full second the server would take the beginning.
		"Nats-Schedule":        {"@at " + at.UTC().Format(time.RFC3339Nano)},
		"Nats-Schedule-Target": {target},
	}
}
