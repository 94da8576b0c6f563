package codec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

type sample struct {
	Name  string
	N     int8
	Inner *sample
	List  []sample
	Table map[string]float64
	Any   any
	Bytes []byte
	Key   int `cbor:"1,keyasint"`
}

type fixed struct {
	A, B int32
	C    [3]float64
}

type textual struct{ s string }

func (t textual) MarshalText() ([]byte, error) { return []byte("<" + t.s + ">"), nil }
func (t *textual) UnmarshalText(b []byte) error {
	t.s = strings.Trim(string(b), "<>")
	return nil
}

type binary2 struct{ b byte }

func (t binary2) MarshalBinary() ([]byte, error)     { return []byte{t.b}, nil }
func (t *binary2) UnmarshalBinary(data []byte) error { t.b = data[0]; return nil } // panics on none

type proto struct{ n byte }

func (p *proto) Marshal() ([]byte, error)    { return []byte{p.n}, nil }
func (p *proto) Unmarshal(data []byte) error { p.n = data[0]; return nil }

// values are pointers to values that travel.
func values() []any {
	now := time.Date(2026, 11, 23, 12, 0, 0, 123, time.UTC)
	of := []any{
		new(int), ptr(-1), ptr(math.MinInt64), ptr(math.MaxInt64), ptr(int32(math.MinInt32)), ptr(int64(1) << 40),
		ptr(uint64(math.MaxUint64)), ptr(uint32(math.MaxUint32)), ptr(uint(77)), ptr(int8(-128)), ptr(uint16(65535)),
		ptr(true), ptr(false), ptr(""), ptr("héllo"), ptr(strings.Repeat("x", 70000)),
		ptr([]byte(nil)), ptr([]byte{}), ptr(bytes.Repeat([]byte{7}, 300)),
		ptr(0.0), ptr(1.5), ptr(math.Pi), ptr(math.Inf(-1)), ptr(float32(0.1)), ptr(1e300), ptr(math.Copysign(0, -1)),
		ptr(struct{}{}), ptr([]int(nil)), ptr([]int{}), ptr([]int{1, -2, 1 << 40}), ptr([]int64{5, math.MinInt64}),
		ptr([]int32{-1, 1}), ptr([]float64{math.Pi, math.E}), ptr([]float64{1, math.Pi}), ptr([]string{"a", ""}),
		ptr([][]byte{{1}, nil}), ptr([2]int{1, 2}), ptr([3]byte{1, 2, 3}),
		ptr(map[string]int{"a": 1, "b": 2}), ptr(map[int]string(nil)), ptr(fixed{1, 2, [3]float64{1, 2, math.Pi}}),
		ptr(sample{Name: "n", N: -3, Inner: &sample{Name: "i"}, List: []sample{{Key: 9}}, Table: map[string]float64{"x": 1}, Any: int64(4), Bytes: []byte{0}, Key: 8}),
		ptr(any(nil)), ptr(any("text")), ptr(any([]any{int64(1), "x", true, []byte{1}})), ptr(any(map[string]any{"k": int64(1)})),
		ptr(now), ptr(*big.NewInt(1 << 40)), ptr(textual{"t"}), ptr(binary2{5}), ptr(proto{6}), ptr([]textual{{"u"}}),
	}
	for n := uint(0); n < 64; n++ {
		of = append(of, ptr(int64(1)<<n), ptr(int64(1)<<n-1), ptr(-(int64(1) << n)), ptr(uint64(1)<<n))
	}
	return of
}

func ptr[T any](v T) *T { return &v }

// TestRoundTrip: C2, and C4 where there is a fast path.
func TestRoundTrip(t *testing.T) {
	for _, v := range values() {
		b, err := Append([]byte("before"), v)
		if err != nil {
			t.Errorf("%T %v: %v", v, v, err)
			continue
		}
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Errorf("%T: dst is not kept", v)
		}
		b = b[len("before"):]
		if hint := SizeHint(v); hint > 0 && len(b) > hint {
			t.Errorf("%T: %d bytes, SizeHint %d", v, len(b), hint)
		}
		slow, err := appendSlow(nil, v)
		if err != nil || !bytes.Equal(slow, b) {
			t.Errorf("C4: %T %v: %x, the library makes %x, %v", v, v, b, slow, err)
		}
		for name, decode := range map[string]func([]byte, any) error{"Decode": Decode, "library": decodeSlow} {
			got := reflect.New(reflect.TypeOf(v).Elem())
			if err := decode(b, got.Interface()); err != nil {
				t.Errorf("C2: %s %T %x: %v", name, v, b, err)
			} else if !reflect.DeepEqual(got.Interface(), v) {
				t.Errorf("C2: %s %T: got %v, want %v", name, v, got.Elem(), reflect.ValueOf(v).Elem())
			}
			if err := decode(append(b[:len(b):len(b)], 0), got.Interface()); err == nil {
				t.Errorf("C3: %s %T takes a byte too many", name, v)
			}
			for i := range min(len(b), 20) {
				if err := decode(b[:i], got.Interface()); err == nil {
					t.Errorf("C3: %s %T takes %d of %d bytes", name, v, i, len(b))
				}
			}
		}
	}
}

// TestNotAliased: a decoded value is its own.
func TestNotAliased(t *testing.T) {
	b, _ := Append(nil, ptr([]byte("abc")))
	var got []byte
	if err := Decode(b, &got); err != nil {
		t.Fatal(err)
	}
	clear(b)
	if string(got) != "abc" {
		t.Errorf("got %q", got)
	}
}

type embedsTime struct {
	time.Time
	N int
}

type overrides struct {
	textual
	N int
}

func (o overrides) MarshalText() ([]byte, error) { return []byte(fmt.Sprint(o.N, o.s)), nil }
func (o *overrides) UnmarshalText(b []byte) error {
	_, err := fmt.Sscan(string(b), &o.N, &o.s)
	return err
}

// TestCheck: C1.
func TestCheck(t *testing.T) {
	type job struct {
		ID  int
		Out struct{ C chan int }
	}
	for v, want := range map[any]string{
		new(job):                             "codec.job.Out.C: chan int cannot travel",
		new(map[string][]func()):             "map[string][]func()[value][]: func() cannot travel",
		new(complex128):                      "complex128 cannot travel",
		new(error):                           "error: the interface error cannot travel",
		new(struct{ E error }):               ".E: the interface error cannot travel",
		new(struct{ hidden int }):            "no exported field",
		new(embedsTime):                      "only because it embeds time.Time",
		new(struct{ P **[]map[uintptr]int }): ".P[][key]: uintptr cannot travel",
	} {
		err := Check(reflect.TypeOf(v).Elem())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("C1: %T: %v, want %s", v, err, want)
		}
		if _, e := Append(nil, v); e == nil || e.Error() != err.Error() {
			t.Errorf("C1: Append of %T: %v", v, e)
		}
		if e := Decode([]byte{itemNull}, v); e == nil {
			t.Errorf("C1: Decode of %T succeeds", v)
		}
	}
	for _, v := range append(values(), new(overrides)) {
		if err := Check(reflect.TypeOf(v).Elem()); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	for v, want := range map[any]bool{new(int): false, new(sample): true, new(fixed): false, new([]textual): true, new(proto): true, new(time.Time): false} {
		if RunsUserCode(reflect.TypeOf(v).Elem()) != want {
			t.Errorf("RunsUserCode(%T) is not %v", v, want)
		}
	}
}

type list struct{ Next *list }

// TestCycles: C1: what would overflow the stack is refused.
func TestCycles(t *testing.T) {
	l := &list{}
	l.Next = l
	table := map[string]any{}
	table["self"] = table
	slice := make([]any, 1)
	slice[0] = slice
	deep := any(1)
	for range 1000 {
		deep = []any{deep}
	}
	for _, v := range []any{l, &table, &slice, &deep, ptr(any(make(chan int))), ptr(any(struct{ F func() }{}))} {
		if _, err := Append(nil, v); err == nil {
			t.Errorf("C1: %T is encoded", v)
		}
	}
	short := &list{&list{&list{}}}
	b, err := Append(nil, short)
	var got list
	if err != nil || Decode(b, &got) != nil || got.Next.Next.Next != nil {
		t.Errorf("%v, %+v", err, got)
	}
}

// TestPanics: C6.
func TestPanics(t *testing.T) {
	var got binary2
	if err := Decode([]byte{majorBytes}, &got); err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("got %v", err)
	}
}

type withFields struct{ Code int }

func (e *withFields) Error() string { return fmt.Sprintf("code %d", e.Code) }

type broken struct{ what string }

func (e *broken) Error() string { panic(e.what) }
func (e *broken) Unwrap() error { return e }

var errSentinel = errors.New("codec test: sentinel")

func init() {
	RegisterSentinel("codec.errSentinel", errSentinel)
	RegisterErrorType("codec.withFields", reflect.TypeFor[*withFields]())
	RegisterContextValue("codec.trace", traceKey{}, reflect.TypeFor[string]())
}

// TestErrors: C5, and what errors.Is and errors.As find on the far side, also after a
// second journey.
func TestErrors(t *testing.T) {
	_, notExist := fs.Stat(nil2{}, "x")
	original := fmt.Errorf("task: %w", errors.Join(errSentinel, &withFields{42}, notExist, syscall.ENOSPC, context.DeadlineExceeded, futures.ErrClosed))
	record := AppendError(nil, original, "a stack")
	for range 2 {
		e := DecodeError(record)
		if e.Message != original.Error() || e.Type != "*fmt.wrapError" || e.Stack != "a stack" {
			t.Errorf("got %q of %s with stack %q", e.Message, e.Type, e.Stack)
		}
		for _, target := range []error{errSentinel, fs.ErrNotExist, syscall.ENOSPC, context.DeadlineExceeded, futures.ErrClosed} {
			if !errors.Is(e, target) {
				t.Errorf("errors.Is does not find %v", target)
			}
		}
		if errors.Is(e, fs.ErrExist) || errors.Is(e, syscall.EPERM) {
			t.Error("errors.Is finds what is not there")
		}
		if with, ok := errors.AsType[*withFields](e); !ok || with.Code != 42 {
			t.Errorf("errors.As finds %v", with)
		}
		record = AppendError(nil, e, "")
	}
}

// nil2 is a file system without files.
type nil2 struct{}

func (nil2) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// TestBadErrors: C5.
func TestBadErrors(t *testing.T) {
	var typedNil *withFields
	many := make([]error, 1000)
	for i := range many {
		many[i] = fmt.Errorf("%d: %w", i, &withFields{i})
	}
	for name, err := range map[string]error{
		"nil": nil, "typed nil": typedNil, "panics": &broken{"no"}, "many": errors.Join(many...),
		"long": errors.New(strings.Repeat("é", 1<<20)), "not UTF-8": errors.New("\xff\xfe"),
	} {
		e := DecodeError(AppendError(nil, err, strings.Repeat("s", 1<<20)))
		if e.Message == "" || len(e.Message) > MaxErrorMessage || len(e.Stack) > MaxErrorStack {
			t.Errorf("%s: message of %d and stack of %d bytes", name, len(e.Message), len(e.Stack))
		}
		_ = errors.Is(e, errSentinel)
		_ = fmt.Sprintf("%+v", e)
	}
	for _, data := range [][]byte{nil, {0xff}, {majorMap | 1, 1}, []byte("rubbish"), {majorArray}} {
		if e := DecodeError(data); !strings.Contains(e.Error(), "damaged") {
			t.Errorf("%x: %v", data, e)
		}
	}
}

type traceKey struct{}

func TestContext(t *testing.T) {
	ctx := context.WithValue(t.Context(), traceKey{}, "abc")
	b, err := AppendContext([]byte{9}, ctx)
	if err != nil || b[0] != 9 {
		t.Fatal(b, err)
	}
	got, err := DecodeContext(context.Background(), b[1:])
	if err != nil || got.Value(traceKey{}) != "abc" {
		t.Errorf("got %v, %v", got.Value(traceKey{}), err)
	}
	if b, err := AppendContext(nil, t.Context()); len(b) != 0 || err != nil {
		t.Errorf("nothing to send makes %x, %v", b, err)
	}
	if _, err := AppendContext(nil, context.WithValue(t.Context(), traceKey{}, 5)); err == nil {
		t.Error("C1: a value of another type travels")
	}
	if _, err := DecodeContext(t.Context(), []byte("rubbish")); err == nil {
		t.Error("C3: rubbish is taken")
	}
}

// TestMisuse: registrations that make no sense panic with the reason.
func TestMisuse(t *testing.T) {
	for name, f := range map[string]func(){
		"no name":    func() { RegisterSentinel("", errors.New("x")) },
		"taken name": func() { RegisterSentinel("io.EOF", errors.New("x")) },
		"taken":      func() { RegisterSentinel("another", errSentinel) },
		"nil":        func() { RegisterSentinel("nil", nil) },
		"interface":  func() { RegisterErrorType("iface", reflect.TypeFor[error]()) },
		"no error":   func() { RegisterErrorType("int", reflect.TypeFor[int]()) },
		"key":        func() { RegisterContextValue("nokey", nil, reflect.TypeFor[int]()) },
		"taken key":  func() { RegisterContextValue("again", traceKey{}, reflect.TypeFor[int]()) },
		"chan":       func() { RegisterContextValue("chan", 5, reflect.TypeFor[chan int]()) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range values() {
		if b, err := Append(nil, v); err == nil && len(b) < 100 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range []any{new(int), new(int32), new(uint32), new(string), new([]byte), new(float64), new([]int64), new([]string), new([]float64), new(sample), new(fixed), new(any), new(time.Time), new(textual)} {
			if Decode(data, v) != nil {
				continue
			}
			b, err := Append(nil, v)
			if err != nil {
				continue // text in an any may be of more depth than travels
			}
			again := reflect.New(reflect.TypeOf(v).Elem())
			if err := Decode(b, again.Interface()); err != nil {
				t.Fatalf("C2: %T %x became %x: %v", v, data, b, err)
			}
			if b2, _ := Append(nil, again.Interface()); !bytes.Equal(b, b2) {
				t.Fatalf("C4: %T %x became %x and then %x", v, data, b, b2)
			}
		}
	})
}

func FuzzDecodeError(f *testing.F) {
	f.Add(AppendError(nil, fmt.Errorf("x: %w", &withFields{1}), "stack"))
	f.Add(AppendError(nil, fs.ErrNotExist, ""))
	f.Add([]byte("rubbish"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e := DecodeError(data)
		if _ = e.Error(); len(e.Message) > MaxErrorMessage {
			t.Fatal("too long")
		}
		again := DecodeError(AppendError(nil, e, ""))
		if e.Message != "" && again.Message != e.Message {
			t.Fatalf("%q became %q", e.Message, again.Message)
		}
	})
}

// FuzzContext: C3, and what is taken makes the same bytes again.
func FuzzContext(f *testing.F) {
	b, err := AppendContext(nil, context.WithValue(context.Background(), traceKey{}, "abc"))
	if err != nil || len(b) == 0 {
		f.Fatal(b, err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Add([]byte{majorMap})
	f.Add([]byte{majorMap | 1, majorText | 1, 'x', majorMap | 31})
	f.Fuzz(func(t *testing.T, data []byte) {
		ctx, err := DecodeContext(context.Background(), data)
		if err != nil {
			return
		}
		again, err := AppendContext(nil, ctx)
		if err != nil {
			t.Fatalf("C2: %x: %v", data, err)
		}
		back, err := DecodeContext(context.Background(), again)
		if err != nil || back.Value(traceKey{}) != ctx.Value(traceKey{}) {
			t.Fatalf("C2: %x became %x: %v", data, again, err)
		}
	})
}

func BenchmarkInt64(b *testing.B) {
	var buf []byte
	n := int64(123456)
	for b.Loop() {
		buf, _ = Append(buf[:0], &n)
		_ = Decode(buf, &n)
	}
}

func BenchmarkInts(b *testing.B) {
	ns := make([]int64, 1000)
	for i := range ns {
		ns[i] = int64(i)
	}
	var buf []byte
	for b.Loop() {
		buf, _ = Append(buf[:0], &ns)
		_ = Decode(buf, &ns)
	}
}

func BenchmarkStruct(b *testing.B) {
	v := fixed{1, 2, [3]float64{1, 2, 3}}
	var buf []byte
	for b.Loop() {
		buf, _ = Append(buf[:0], &v)
		_ = Decode(buf, &v)
	}
}
