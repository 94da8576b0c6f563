package codec

import (
	"bytes"
	"fmt"
	"reflect"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

// The bounds of a value, which both sides keep.
const (
	MaxDepth    = 256     // arrays, maps and pointers inside each other
	MaxElements = 1 << 27 // elements of an array, pairs of a map
)

var (
	encMode = mustEncMode()
	decMode = mustDecMode()
)

func mustEncMode() cbor.UserBufferEncMode {
	options := cbor.CoreDetEncOptions()
	options.Time = cbor.TimeRFC3339NanoUTC
	options.TimeTag = cbor.EncTagRequired
	options.TextMarshaler = cbor.TextMarshalerTextString
	options.BigIntConvert = cbor.BigIntConvertShortest
	// The value of a NaN travels.
	options.NaNConvert = cbor.NaNConvertPreserveSignal
	mode, err := options.UserBufferEncMode()
	if err != nil {
		panic("codec: " + err.Error())
	}
	return mode
}

func mustDecMode() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		MaxNestedLevels:   MaxDepth,
		MaxArrayElements:  MaxElements,
		MaxMapPairs:       MaxElements,
		DefaultMapType:    reflect.TypeFor[map[string]any](),
		IntDec:            cbor.IntDecConvertSignedOrBigInt,
		BigIntDec:         cbor.BigIntDecodePointer,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		TextUnmarshaler:   cbor.TextUnmarshalerTextString,
	}.DecMode()
	if err != nil {
		panic("codec: " + err.Error())
	}
	return mode
}

// Append appends the encoding of the value that v points to. After an error it returns
// dst as it was.
func Append(dst []byte, v any) ([]byte, error) {
	if out, ok := appendFast(dst, v); ok {
		return out, nil
	}
	return appendSlow(dst, v)
}

func appendSlow(dst []byte, v any) (out []byte, err error) {
	ptr := reflect.ValueOf(v)
	if ptr.Kind() != reflect.Pointer || ptr.IsNil() {
		panic(fmt.Sprintf("codec.Append: %T is no pointer to a value", v))
	}
	t := ptr.Type().Elem()
	p := planOf(t)
	if p.err != nil {
		return dst, p.err
	}
	defer func() { // methods of users' types run
		if r := recover(); r != nil {
			out, err = dst, fmt.Errorf("codec: encoding %v: panic: %v", t, r)
		}
	}()
	if p.message {
		b, err := v.(message).Marshal()
		if err != nil {
			return dst, fmt.Errorf("codec: encoding %v: %w", t, err)
		}
		return appendBytes(dst, b), nil
	}
	if p.recursive {
		if err := checkDepth(ptr.Elem(), t.String(), MaxDepth-1); err != nil {
			return dst, err
		}
	}
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= keptBuffer {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	if err := encMode.MarshalToBuffer(v, buf); err != nil {
		return dst, fmt.Errorf("codec: encoding %v: %w", t, err)
	}
	return append(dst, buf.Bytes()...), nil
}

const keptBuffer = 64 << 10

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Decode sets the value that v points to, to what data says: exactly one item. The value
// does not refer to data. After an error the value may be set in part.
func Decode(data []byte, v any) error {
	if decodeFast(data, v) {
		return nil
	}
	return decodeSlow(data, v)
}

func decodeSlow(data []byte, v any) (err error) {
	ptr := reflect.TypeOf(v)
	if ptr == nil || ptr.Kind() != reflect.Pointer {
		panic(fmt.Sprintf("codec.Decode: %T is no pointer to a value", v))
	}
	t := ptr.Elem()
	p := planOf(t)
	if p.err != nil {
		return p.err
	}
	defer func() { // methods of users' types run
		if r := recover(); r != nil {
			err = fmt.Errorf("codec: decoding %v: panic: %v", t, r)
		}
	}()
	if p.message {
		var b []byte
		if err := decMode.Unmarshal(data, &b); err != nil {
			return fmt.Errorf("codec: decoding %v: %w", t, err)
		}
		if err := v.(message).Unmarshal(b); err != nil {
			return fmt.Errorf("codec: decoding %v: %w", t, err)
		}
		return nil
	}
	if err := decMode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("codec: decoding %v: %w", t, err)
	}
	return nil
}
