package procpool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

// A batch is several calls of one function that travel as one task. Its argument is an
// array of arguments. Its value is:
//
//	offset  size  content
//	0       8     how long the calls have taken together, in ns
//	8       8     length of the values
//	16      ...   the values: an array, with some value where a call has failed
//	then for each call that has failed
//	0       4     its number, from 0
//	4       1     result kind
//	5       3     0
//	8       4     length of the record
//	12      ...   error record

const (
	batchHead   = 16
	failureHead = 12
)

// batchValue is the value of a batch before it is encoded.
type batchValue struct {
	took     time.Duration
	values   any    // *[]Out
	failures []byte // encoded
}

func (b *batchValue) fail(i int, kind resultKind, record []byte) {
	b.failures = binary.LittleEndian.AppendUint32(b.failures, uint32(i))
	b.failures = append(b.failures, byte(kind), 0, 0, 0)
	b.failures = binary.LittleEndian.AppendUint32(b.failures, uint32(len(record)))
	b.failures = append(b.failures, record...)
}

// appendValue appends what value points to, or a batchValue.
func appendValue(dst []byte, value any) ([]byte, error) {
	b, ok := value.(*batchValue)
	if !ok {
		return codec.Append(dst, value)
	}
	at := len(dst)
	out := append(dst, make([]byte, batchHead)...)
	out, err := codec.Append(out, b.values)
	if err != nil {
		return dst, err
	}
	binary.LittleEndian.PutUint64(out[at:], uint64(b.took))
	binary.LittleEndian.PutUint64(out[at+8:], uint64(len(out)-at-batchHead))
	return append(out, b.failures...), nil
}

// valueHint is codec.SizeHint for what appendValue takes.
func valueHint(value any) int {
	b, ok := value.(*batchValue)
	if !ok {
		return codec.SizeHint(value)
	}
	if hint := codec.SizeHint(b.values); hint > 0 {
		return batchHead + hint + len(b.failures)
	}
	return 0
}

// decodeBatch puts the value of a batch into its task.
func (j *job) decodeBatch(payload []byte) error {
	batch := j.task.Batch()
	took, err := decodeBatchValue(payload, j.items, j.task.Output(), func(i int, kind resultKind, record []byte) {
		batch.Fail(i, j.errorOf(kind, record))
	})
	if err != nil {
		return fmt.Errorf("procpool: values of %s: %w", j.fn.name, err)
	}
	batch.Took(took)
	return nil
}

// decodeBatchValue takes the value of a batch of so many calls apart: out points to the
// slice of values, failed is told of each call that has failed.
func decodeBatchValue(payload []byte, calls int, out any, failed func(i int, kind resultKind, record []byte)) (took time.Duration, err error) {
	bad := fmt.Errorf("%w: a batch of %d calls in %d bytes", errFrame, calls, len(payload))
	if len(payload) < batchHead {
		return 0, bad
	}
	ns, length := binary.LittleEndian.Uint64(payload), binary.LittleEndian.Uint64(payload[8:])
	payload = payload[batchHead:]
	if length > uint64(len(payload)) || ns > maxDuration {
		return 0, bad
	}
	if err := codec.Decode(payload[:length], out); err != nil {
		return 0, err
	}
	for payload = payload[length:]; len(payload) > 0; {
		if len(payload) < failureHead {
			return 0, bad
		}
		i, kind := binary.LittleEndian.Uint32(payload), resultKind(payload[4])
		size := binary.LittleEndian.Uint32(payload[8:])
		payload = payload[failureHead:]
		if uint64(size) > uint64(len(payload)) || kind == resultValue || kind >= resultKinds || uint64(i) >= uint64(calls) {
			return 0, bad
		}
		failed(int(i), kind, payload[:size])
		payload = payload[size:]
	}
	return time.Duration(ns), nil
}

const maxDuration = 1<<63 - 1

// invokeBatch makes the calls of a batch. If one of them ends the goroutine, the value is
// given away while it ends.
func (c *call) invokeBatch(place futures.BatchCall, to *answer) (resultKind, error) {
	ctx, err := c.begin()
	if err != nil {
		return resultRefused, err
	}
	if err := codec.Decode(c.argument, place.Input()); err != nil {
		return resultRefused, fmt.Errorf("arguments of %s: %w", c.name, err)
	}
	value := &batchValue{values: place.Output()}
	began := time.Now()
	begin := c.progress
	if begin == nil {
		begin = func(int) {}
	}
	fail := func(i int, err error) {
		kind, record := recordOf(err)
		value.fail(i, kind, record)
	}
	place.Invoke(ctx, begin, fail, func() {
		value.took = time.Since(began)
		if err := to.value(value); err != nil {
			to.failed(resultRefused, codec.AppendError(nil, fmt.Errorf("values of %s: %w", c.name, err), ""))
		}
		c.answered = true
	})
	return resultValue, nil
}

// recordOf returns the record of one call's error.
func recordOf(err error) (resultKind, []byte) {
	p, ok := err.(*futures.PanicError)
	if !ok {
		return resultError, codec.AppendError(nil, err, "")
	}
	if p.Goexit {
		return resultGoexit, codec.AppendError(nil, errGoexit, string(p.Stack))
	}
	if e, ok := p.Value.(error); ok {
		return resultPanicError, codec.AppendError(nil, e, string(p.Stack))
	}
	return resultPanic, codec.AppendError(nil, errors.New(textOf(p.Value)), string(p.Stack))
}
