package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

func newValue[T any](t testing.TB, initial T) *ipc.Value[T] {
	t.Helper()
	v, err := ipc.NewValue(initial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func newArray[T any](t testing.TB, n int) *ipc.Array[T] {
	t.Helper()
	a, err := ipc.NewArray[T](n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func newBytes(t testing.TB, data []byte) *ipc.Bytes {
	t.Helper()
	b, err := ipc.NewBytes(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// again returns another handle of what a handle leads to, as it arrives elsewhere.
func again[H any, P interface {
	*H
	MarshalCBOR() ([]byte, error)
	UnmarshalCBOR([]byte) error
}](t testing.TB, h P) P {
	t.Helper()
	data, err := h.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	other := P(new(H))
	if err := other.UnmarshalCBOR(data); err != nil {
		t.Fatal(err)
	}
	return other
}

// panicOf returns the error or text that fn panics with, nil if it does not.
func panicOf(fn func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = r
		default:
			err = errors.New(fmt.Sprint(r))
		}
	}()
	fn()
	return nil
}

// Types of all kinds, and what is done with each.
type (
	count  int64
	padded struct {
		A int8
		B int16
		_ int8
		C bool
	}
	point struct {
		X, Y   float64
		Name   [8]byte
		Inside struct{ N int32 }
		hidden uint8
	}
)

type valueType interface {
	testSet(t *testing.T, p *procpool.Pool)
	testModel(t *testing.T, p *procpool.Pool, random *rand.Rand)
	name() string
}

// valuesOf are some values of a type. A worker loads the first and stores the second.
type valuesOf[T any] struct {
	label  string
	values []T
	add    func(a, b T) T
	set    *futures.Func[*ipc.Value[T], int]
	apply  *futures.Func[steps[T], []string]
}

// step is an operation and the values for it, by index.
type step struct{ Op, A, B int }

type steps[T any] struct {
	V     *ipc.Value[T]
	Steps []step
}

func (c *valuesOf[T]) name() string { return c.label }

func typed[T any](add func(a, b T) T, values ...T) valueType {
	c := &valuesOf[T]{label: fmt.Sprintf("%T", values[0]), values: values, add: add}
	c.set = futures.Define("test.set "+c.label, func(_ context.Context, v *ipc.Value[T]) (int, error) {
		if now := v.Load(); any(now) != any(values[0]) {
			return 0, fmt.Errorf("it is %v", now)
		}
		v.Store(values[1])
		return 0, nil
	})
	c.apply = futures.Define("test.apply "+c.label, func(_ context.Context, in steps[T]) (seen []string, err error) {
		for _, s := range in.Steps {
			seen = append(seen, c.do(in.V, s))
		}
		return seen, nil
	})
	return c
}

func numeral[T int | int8 | int16 | int32 | int64 | uint | uint8 | uint16 | uint32 | uint64 | float32 | float64 | complex64 | complex128 | count](values ...T) valueType {
	return typed(func(a, b T) T { return a + b }, values...)
}

var valueTypes = []valueType{
	numeral[int](-7, 11, 0, math.MaxInt, math.MinInt),
	numeral[int8](-7, 11, 0, math.MaxInt8, math.MinInt8),
	numeral[int16](-7, 11, 0, math.MaxInt16, math.MinInt16),
	numeral[int32](-7, 11, 0, math.MaxInt32, math.MinInt32),
	numeral[int64](-7, 11, 0, math.MaxInt64, math.MinInt64),
	numeral[uint](7, 11, 0, math.MaxUint),
	numeral[uint8](7, 11, 0, math.MaxUint8, 128),
	numeral[uint16](7, 11, 0, math.MaxUint16),
	numeral[uint32](7, 11, 0, math.MaxUint32),
	numeral[uint64](7, 11, 0, math.MaxUint64),
	numeral[float32](-7.5, 11, 0, math.MaxFloat32),
	numeral[float64](-7.5, 11, 0, math.MaxFloat64, math.SmallestNonzeroFloat64),
	numeral[complex64](-7.5+2i, 11, 0),
	numeral[complex128](-7.5+2i, 11i, 0),
	numeral[count](-7, 11, 0, math.MaxInt64),
	typed(nil, false, true),
	typed(nil, [3]byte{1, 2, 3}, [3]byte{4, 5, 6}, [3]byte{}),
	typed(nil, [7]int8{1, -2, 3}, [7]int8{6: -1}),
	typed(nil, padded{1, 2, 0, true}, padded{A: -1}, padded{}),
	typed(nil, point{1, 2, [8]byte{'a'}, struct{ N int32 }{5}, 3}, point{}, point{Y: 1, hidden: 1}),
	typed(nil, [1001]uint8{1000: 1}, [1001]uint8{0: 1}),
}

const ops = 6

// do does a step and says what it saw.
func (c *valuesOf[T]) do(v *ipc.Value[T], s step) string {
	a, b := c.values[s.A], c.values[s.B]
	switch s.Op {
	case 0:
		return fmt.Sprint(v.Load())
	case 1:
		v.Store(a)
		return ""
	case 2:
		return fmt.Sprint(v.Swap(a))
	case 3:
		return fmt.Sprint(v.CompareAndSwap(a, b))
	case 4:
		if c.add == nil {
			return panicOf(func() { v.Add(a) }).Error()
		}
		return fmt.Sprint(v.Add(a))
	default:
		was := ""
		now := v.Update(func(old T) T {
			was = fmt.Sprint(old)
			return a
		})
		return was + " " + fmt.Sprint(now)
	}
}

// model does a step to a plain variable.
func (c *valuesOf[T]) model(v *T, s step) (seen string) {
	a, b := c.values[s.A], c.values[s.B]
	was := *v
	switch s.Op {
	case 0:
		return fmt.Sprint(was)
	case 1:
		*v = a
		return ""
	case 2:
		*v = a
		return fmt.Sprint(was)
	case 3:
		if any(was) == any(a) {
			*v = b
		}
		return fmt.Sprint(any(was) == any(a))
	case 4:
		if c.add == nil {
			return fmt.Sprintf("ipc: Value.Add: %T is no number; see Update", was)
		}
		*v = c.add(was, a)
		return fmt.Sprint(*v)
	default:
		*v = a
		return fmt.Sprint(was) + " " + fmt.Sprint(a)
	}
}

func (c *valuesOf[T]) testSet(t *testing.T, p *procpool.Pool) {
	v := newValue(t, c.values[0])
	if now := v.Load(); any(now) != any(c.values[0]) {
		t.Fatalf("it is %v at first", now)
	}
	outcomeOf(t, c.set.Submit(t.Context(), p, v))
	if now := v.Load(); any(now) != any(c.values[1]) {
		t.Errorf("a worker's %v is %v here", c.values[1], now)
	}
}

func (c *valuesOf[T]) testModel(t *testing.T, p *procpool.Pool, random *rand.Rand) {
	v, model := newValue(t, c.values[0]), c.values[0]
	handles := []*ipc.Value[T]{v, again(t, v)}
	for range 10 {
		var todo []step
		var want, seen []string
		for range 20 {
			s := step{random.IntN(ops), random.IntN(len(c.values)), random.IntN(len(c.values))}
			todo, want = append(todo, s), append(want, c.model(&model, s))
		}
		if random.IntN(2) == 0 {
			seen = outcomeOf(t, c.apply.Submit(t.Context(), p, steps[T]{v, todo}))
		} else {
			for _, s := range todo {
				seen = append(seen, c.do(handles[random.IntN(2)], s))
			}
		}
		if !slices.Equal(seen, want) {
			t.Fatalf("steps %v\n saw %q\nwant %q", todo, seen, want)
		}
	}
}

// TestValueModel: V1: what processes see of a Value in turns is what one would see of a
// variable.
func TestValueModel(t *testing.T) {
	p := open(t, 2)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for _, c := range valueTypes {
		t.Run(c.name(), func(t *testing.T) { c.testModel(t, p, random) })
	}
}

type arraySteps struct {
	A     *ipc.Array[point]
	Steps []step // Op: 0 look, 1 set, 2 fill a range
}

func (in arraySteps) do() (seen []string) {
	for _, s := range in.Steps {
		p := point{X: float64(s.B), Name: [8]byte{byte(s.A)}, hidden: uint8(s.B)}
		switch s.Op {
		case 0:
			seen = append(seen, fmt.Sprint(in.A.At(s.A)))
		case 1:
			in.A.Set(s.A, p)
		default:
			for i := range in.A.Slice()[:s.A] {
				in.A.Slice()[i] = p
			}
		}
	}
	return seen
}

var arrayApply = futures.Define("test.arrayApply", func(_ context.Context, in arraySteps) ([]string, error) { return in.do(), nil })

// TestArrayModel: what processes see of an Array in turns is what one would see of a slice.
func TestArrayModel(t *testing.T) {
	p := open(t, 2)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	const n = 100
	a, model := newArray[point](t, n), make([]point, n)
	for range 40 {
		in, want := arraySteps{A: a}, []string(nil)
		for range 20 {
			s := step{random.IntN(3), random.IntN(n), random.IntN(100)}
			in.Steps = append(in.Steps, s)
			value := point{X: float64(s.B), Name: [8]byte{byte(s.A)}, hidden: uint8(s.B)}
			switch s.Op {
			case 0:
				want = append(want, fmt.Sprint(model[s.A]))
			case 1:
				model[s.A] = value
			default:
				for i := range s.A {
					model[i] = value
				}
			}
		}
		seen := []string(nil)
		if random.IntN(2) == 0 {
			seen = outcomeOf(t, arrayApply.Submit(t.Context(), p, in))
		} else {
			in.A = again(t, a)
			seen = in.do()
		}
		if !slices.Equal(seen, want) {
			t.Fatalf("steps %v\n saw %q\nwant %q", in.Steps, seen, want)
		}
	}
	if !slices.Equal(a.Slice(), model) {
		t.Error("it is not the same in the end")
	}
}

// TestValueGoroutines: V1, V3: many goroutines and a worker change one Value; nothing is lost
// and nobody sees half of one.
func TestValueGoroutines(t *testing.T) {
	p := open(t, 2)
	small, large := newValue(t, int32(0)), newValue(t, wideOf(0))
	const each = 500
	f := addToBoth.Submit(t.Context(), p, both{small, large, each})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := (both{again(t, small), again(t, large), each}).add(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	outcomeOf(t, f)
	if n := small.Load(); n != 9*each {
		t.Errorf("%d instead of %d", n, 9*each)
	}
	if w := large.Load(); w != wideOf(9*each) {
		t.Errorf("%d instead of %d", w[0], 9*each)
	}
}

// wide is a value that is whole if all of it agrees.
type wide [21]uint64

func wideOf(n uint64) (w wide) {
	for i := range w {
		w[i] = n + uint64(i)*0x9e3779b97f4a7c15
	}
	return w
}

func (w wide) check() error {
	if w != wideOf(w[0]) {
		return fmt.Errorf("torn: %x", w)
	}
	return nil
}

type both struct {
	Small *ipc.Value[int32]
	Large *ipc.Value[wide]
	N     int
}

func (in both) add() (err error) {
	for range in.N {
		in.Small.Add(1)
		in.Large.Update(func(w wide) wide {
			err = errors.Join(err, w.check())
			return wideOf(w[0] + 1)
		})
		err = errors.Join(err, in.Large.Load().check())
	}
	return err
}

var addToBoth = futures.Define("test.addToBoth", func(_ context.Context, in both) (int, error) { return 0, in.add() })

// TestUpdatePanics: a function that panics changes nothing, holds nothing, and may use the
// Value.
func TestUpdatePanics(t *testing.T) {
	v := newValue(t, wideOf(5))
	err := panicOf(func() {
		v.Update(func(w wide) wide {
			v.Store(wideOf(w[0] + 1))
			panic("no")
		})
	})
	if err == nil || err.Error() != "no" || v.Load() != wideOf(6) {
		t.Errorf("panic %v, value %d", err, v.Load()[0])
	}
	calls := 0
	got := v.Update(func(w wide) wide {
		if calls++; calls == 1 {
			v.Store(wideOf(100))
		}
		return wideOf(w[0] + 1)
	})
	if calls != 2 || got != wideOf(101) || v.Load() != got {
		t.Errorf("%d calls, %d", calls, got[0])
	}
}

// TestSharedFloats: equal is what == says.
func TestSharedFloats(t *testing.T) {
	v := newValue(t, math.NaN())
	if v.CompareAndSwap(math.NaN(), 1) {
		t.Error("NaN is equal to itself")
	}
	v.Store(math.Copysign(0, -1))
	if !math.Signbit(v.Load()) || !v.CompareAndSwap(0, 1) {
		t.Error("negative zero is not zero")
	}
}

// TestSharedTypes: what cannot be shared is refused, and the error names the field.
func TestSharedTypes(t *testing.T) {
	type inner struct{ Names [2]string }
	for text, err := range map[string]error{
		"string refers to memory":                         second(ipc.NewValue("")),
		"ipc_test.inner.Names[2]: string refers to":       second(ipc.NewValue(inner{})),
		"[3]ipc_test.inner[3].Names[2]: string refers to": second(ipc.NewValue([3]inner{})),
		"struct { A int; B []uint8 }.B: []uint8 refers": second(ipc.NewArray[struct {
			A int
			B []byte
		}](1)),
		"*int refers":                           second(ipc.NewArray[*int](1)),
		"map[int]int refers":                    second(ipc.NewArrayFrom([]map[int]int{{}})),
		"interface {} refers":                   second(ipc.NewValue[any](1)),
		"error refers":                          second(ipc.NewArray[error](1)),
		"func() refers":                         second(ipc.NewArray[func()](1)),
		"chan int refers":                       second(ipc.NewArray[chan int](1)),
		"a uintptr means nothing":               second(ipc.NewValue(uintptr(1))),
		".Mu: sync.Mutex works within one proc": second(ipc.NewArray[struct{ Mu sync.Mutex }](1)),
		".P: *int refers to":                    second(ipc.NewArray[struct{ P *int }](1)),
		"._[0]: *int refers":                    second(ipc.NewArray[atomic.Pointer[int]](1)),
		"struct {}: its values have no size":    second(ipc.NewValue(struct{}{})),
		"[0]int: its values have no size":       second(ipc.NewArray[[0]int](1)),
	} {
		if err == nil || !strings.Contains(err.Error(), text) || !strings.HasPrefix(err.Error(), "ipc: New") {
			t.Errorf("want %q, got %v", text, err)
		}
	}
	if err := second(ipc.NewArray[string](0)); err == nil || err.Error() != "ipc: NewArray: string: string refers to memory of one process; what is shared has a fixed size and no pointers" {
		t.Error(err)
	}
}

// TestSharedLimits: lengths of nothing, below nothing, and of more than there is.
func TestSharedLimits(t *testing.T) {
	for _, n := range []int{-1, math.MinInt, math.MaxInt, math.MaxInt / 8, 1 << 40, 1 << 36, 1<<35 + 1} {
		_, err1 := ipc.NewArray[uint64](n)
		_, err2 := ipc.NewBytesBuffer(n)
		for _, err := range []error{err1, err2} {
			if err == nil || n > 0 && !errors.Is(err, ipc.ErrTooLarge) || n < 0 && !strings.Contains(err.Error(), "negative length") {
				t.Errorf("%d: %v", n, err)
			}
		}
	}
	a, b := newArray[int](t, 0), newBytes(t, nil)
	if len(a.Slice()) != 0 || a.Len() != 0 || b.Len() != 0 || len(b.Slice()) != 0 || len(again(t, a).Slice()) != 0 || again(t, b).Len() != 0 {
		t.Error("nothing is something")
	}
	if err := panicOf(func() { a.At(0) }); err == nil || !strings.Contains(err.Error(), "index out of range [0] with length 0") {
		t.Error(err)
	}
	full, err := ipc.NewArrayFrom([]int16{1, 2, 3})
	mustDo(t, err)
	defer full.Close()
	for _, i := range []int{-1, 3, math.MaxInt, math.MinInt} {
		for _, err := range []error{panicOf(func() { full.At(i) }), panicOf(func() { full.Set(i, 9) })} {
			if err == nil || !strings.Contains(err.Error(), "index out of range") {
				t.Errorf("index %d: %v", i, err)
			}
		}
	}
	if s := append(full.Slice(), 4); !slices.Equal(full.Slice(), []int16{1, 2, 3}) || &s[0] == &full.Slice()[0] {
		t.Error("appending does not copy")
	}
}
