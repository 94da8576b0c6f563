package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

type celsius float64

type reading struct {
	Station string
	At      int64
	Degrees celsius
	Valid   bool
}

type nested struct {
	ID       [16]byte
	Where    struct{ X, Y float32 }
	Readings [2]reading
	Raw      []byte `json:"raw"`
	hidden   int
	Skipped  chan int `cbor:"-"`
}

type (
	half1    struct{ N int }
	withHalf struct{ H half1 }
	embeds   struct{ reading }
	omits    struct {
		A, B int `cbor:",omitempty"`
	}
	renamed struct {
		A int `cbor:"zz"`
		B int `json:"b"`
		C int
	}
	duplicates struct {
		A int `cbor:"x"`
		B int `cbor:"x"`
	}
	asArray struct {
		_ struct{} `cbor:",toarray"`
		A int
	}
	pointers    struct{ P *int }
	many        struct{ A [30]struct{ B, C uint8 } }
	bytesOfKind struct{ B []celsius }
	byteString  struct{ B cbor.ByteString }
	simple      struct{ S cbor.SimpleValue }
	timed       struct {
		T time.Time
		D time.Duration
	}
	whole struct{ B big.Int }
)

// MarshalBinary without the other half: the library takes it all the same.
func (half1) MarshalBinary() ([]byte, error) { return []byte("half"), nil }

// TestShapes tells which types have the short way.
func TestShapes(t *testing.T) {
	for v, want := range map[any]bool{
		new(reading): true, new(nested): true, new(celsius): true, new(fixed): true, new(renamed): true, new(many): true,
		new([]reading): true, new([]celsius): true, new(time.Duration): true, new([4]uint16): true, new([]uint64): true, new([][3]bool): true,
		new(withHalf): false, new(embeds): false, new(omits): false, new(duplicates): false, new(asArray): false, new(pointers): false,
		new(bytesOfKind): false, new(byteString): false, new(simple): false, new(timed): false, new(whole): false, new(sample): false,
		new(textual): false, new(any): false, new([][]int): false, new(map[string]int): false, new([]struct{}): false, new(*reading): false,
		new(cbor.RawMessage): false, new(proto): false, new(complex128): false,
	} {
		if got := planOf(reflect.TypeOf(v).Elem()).shape != nil; got != want {
			t.Errorf("%T has a shape: %v", v, got)
		}
	}
}

// TestFloats: C4 for each float of 16 bits and its neighbours, and for many others.
func TestFloats(t *testing.T) {
	check := func(f float64) {
		t.Helper()
		got, ok := appendFloat(nil, f)
		want, err := appendSlow(nil, &f)
		if !ok || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("C4: %v (%#x): %x, the library makes %x, %v", f, math.Float64bits(f), got, want, err)
		}
		if back, rest, ok := readFloat(got); math.Float64bits(back) != math.Float64bits(f) || len(rest) > 0 || !ok {
			t.Fatalf("C2: %v became %x and then %v", f, got, back)
		}
	}
	for bits := range 1 << 16 {
		f := floatOf(uint16(bits))
		var want float64
		item := []byte{itemFloat16, byte(bits >> 8), byte(bits)}
		if err := decodeSlow(item, &want); err != nil || f != want && f == f || (f != f) != (want != want) {
			t.Fatalf("%x is %v, the library says %v, %v", item, f, want, err)
		}
		if f != f {
			if _, _, ok := readFloat(item); ok {
				t.Fatalf("%x is taken", item)
			}
			continue
		}
		check(f)
		if bits%16 > 1 {
			continue
		}
		single := float32(f)
		for _, g := range []float64{
			float64(math.Nextafter32(single, 0)), float64(math.Nextafter32(single, 1e38)), float64(math.Nextafter32(single, -1e38)),
			math.Nextafter(f, 0), math.Nextafter(f, 1e300),
		} {
			check(g)
		}
	}
	for _, f := range []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxFloat32, math.SmallestNonzeroFloat32, 1e39, -1e-40} {
		check(f)
	}
	random := seeded(t)
	for range 20_000 {
		if f := math.Float64frombits(random.Uint64()); f == f {
			check(f)
		}
		if f := math.Float32frombits(random.Uint32()); f == f {
			check(float64(f))
		}
	}
}

func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 3))
}

// randomType returns a type that has a shape.
func randomType(random *rand.Rand, levels int) reflect.Type {
	plain := []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](),
		reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](),
		reflect.TypeFor[uint64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[[]byte](),
		reflect.TypeFor[celsius](), reflect.TypeFor[time.Duration](), reflect.TypeFor[[3]byte](), reflect.TypeFor[reading](),
	}
	kind := random.IntN(4)
	if levels == 0 {
		kind = 3
	}
	switch kind {
	case 0, 1:
		var fields []reflect.StructField
		for i := range 1 + random.IntN(27) {
			f := reflect.StructField{Name: fmt.Sprintf("%c%s", 'A'+random.IntN(26), strings.Repeat("x", i)), Type: randomType(random, levels-1)}
			switch random.IntN(6) {
			case 0:
				f.Tag = reflect.StructTag(fmt.Sprintf(`cbor:"%s%d"`, strings.Repeat("ä", random.IntN(20)), i))
			case 1:
				f.Tag = reflect.StructTag(fmt.Sprintf(`json:"j%d" cbor:""`, i))
			}
			fields = append(fields, f)
		}
		return reflect.StructOf(fields)
	case 2:
		return reflect.ArrayOf(random.IntN(26), randomType(random, levels-1))
	}
	return plain[random.IntN(len(plain))]
}

// fill sets a value to something random: now and then something long.
func fill(random *rand.Rand, v reflect.Value) {
	bits := random.Uint64() >> random.IntN(64)
	length := int(random.Uint64N(40))
	if random.IntN(200) == 0 {
		length = 200 + random.IntN(200)
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(bits%2 == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(bits) * int64(1-2*random.IntN(2)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(bits)
	case reflect.Float32, reflect.Float64:
		switch random.IntN(4) {
		case 0:
			v.SetFloat(floatOf(uint16(bits)))
		case 1:
			v.SetFloat(float64(math.Float32frombits(uint32(bits))))
		default:
			v.SetFloat(math.Float64frombits(random.Uint64()))
		}
		if f := v.Float(); f != f {
			v.SetFloat(float64(random.IntN(100))) // equal to nothing
		}
	case reflect.String:
		v.SetString(strings.Repeat("é", length/2) + "x")
	case reflect.Slice:
		if random.IntN(5) > 0 {
			v.SetBytes(bytes.Repeat([]byte{byte(bits)}, length))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(random, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(random, v.Field(i))
		}
	}
}

// TestShapedIsTheLibrarys: C4 and C2 for random values of random types, and for slices of
// them; C3 for the same bytes with something changed.
func TestShapedIsTheLibrarys(t *testing.T) {
	random := seeded(t)
	for range 300 {
		typ := randomType(random, 2)
		for range 3 {
			v := reflect.New(typ)
			fill(random, v.Elem())
			slice := reflect.New(reflect.SliceOf(typ))
			slice.Elem().Set(reflect.Append(slice.Elem(), v.Elem(), reflect.Zero(typ), v.Elem()))
			for _, v := range []any{v.Interface(), slice.Interface()} {
				sameAsLibrary(t, random, v)
			}
		}
	}
	for _, v := range []any{new(reading), new(nested), new(fixed), new(renamed), new(many), new([]reading), &[]reading{}} {
		sameAsLibrary(t, random, v)
	}
	sameAsLibrary(t, random, &nested{Skipped: make(chan int), hidden: 5, Raw: []byte{1}})
}

func sameAsLibrary(t *testing.T, random *rand.Rand, v any) {
	t.Helper()
	typ := reflect.TypeOf(v).Elem()
	got, err := Append([]byte("dst"), v)
	want, e := appendSlow([]byte("dst"), v)
	if err != nil || e != nil || !bytes.Equal(got, want) {
		t.Fatalf("C4: %v %v: %x, %v; the library makes %x, %v", typ, v, got, err, want, e)
	}
	data := got[len("dst"):]
	if _, short := appendFast(nil, v); !short && mayBeShort(typ) {
		t.Fatalf("%v %v takes the long way", typ, v)
	}
	if hint := SizeHint(v); hint > 0 && hint < len(data) {
		t.Fatalf("%v: %d bytes, SizeHint %d", typ, len(data), hint)
	}
	back, long := reflect.New(typ), reflect.New(typ)
	if short := decodeFast(data, back.Interface()); !short && mayBeShort(typ) {
		t.Fatalf("C2: %v: %x takes the long way", typ, data)
	} else if err := Decode(data, back.Interface()); err != nil {
		t.Fatalf("C2: %v: %x: %v", typ, data, err)
	}
	if err := decodeSlow(data, long.Interface()); err != nil || !reflect.DeepEqual(back.Interface(), long.Interface()) {
		t.Fatalf("C2: %v: %x is %v, the library says %v, %v", typ, data, back.Elem(), long.Elem(), err)
	}
	for range 20 {
		spoilt := bytes.Clone(data)
		switch at := random.IntN(len(data)); random.IntN(4) {
		case 0:
			spoilt = spoilt[:at]
		case 1:
			spoilt = append(spoilt, byte(random.Uint32()))
		default:
			spoilt[at] = byte(random.Uint32())
		}
		takesNoMore(t, typ, spoilt)
	}
}

// mayBeShort leaves out slices of slices and of what takes no memory.
func mayBeShort(t reflect.Type) bool {
	return t.Kind() != reflect.Slice || t.Elem().Kind() != reflect.Slice && t.Elem().Size() > 0
}

// takesNoMore: what the short way takes, the library takes too, and understands alike.
func takesNoMore(t *testing.T, typ reflect.Type, data []byte) {
	t.Helper()
	short, long := reflect.New(typ), reflect.New(typ)
	if !decodeFast(data, short.Interface()) {
		return
	}
	if err := decodeSlow(data, long.Interface()); err != nil || !reflect.DeepEqual(short.Interface(), long.Interface()) {
		t.Fatalf("C3: %v: %x is %v, the library says %v, %v", typ, data, short.Elem(), long.Elem(), err)
	}
}

// TestLongSliceOfNothing: a length that a peer says takes no memory that its bytes do not pay for.
func TestLongSliceOfNothing(t *testing.T) {
	data := binary.BigEndian.AppendUint32([]byte{majorArray | 26}, 1<<26)
	data = append(data, make([]byte, 1<<16)...)
	var got []many
	if allocated := testing.AllocsPerRun(1, func() { _ = decodeFast(data, &got) }); allocated > 1 || decodeFast(data, &got) {
		t.Errorf("C3: %v allocations", allocated)
	}
}

// FuzzShapes: C3 for the short way, and that it understands what the library does.
func FuzzShapes(f *testing.F) {
	types := []any{new(reading), new(nested), new(fixed), new(renamed), new(many), new([]reading), new([]celsius), new([3]int8), new(float32)}
	random := rand.New(rand.NewPCG(1, 2))
	for _, v := range types {
		if v := reflect.ValueOf(v).Elem(); v.Kind() != reflect.Slice && v.Type() != reflect.TypeFor[nested]() {
			fill(random, v)
		}
		b, err := Append(nil, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	b, _ := Append(nil, &[]reading{{"north", 1, -3.5, true}, {}})
	f.Add(b)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, v := range types {
			takesNoMore(t, reflect.TypeOf(v).Elem(), data)
		}
	})
}

// BenchmarkShape compares the short way with the library's, for a struct of four fields:
// what a task pays for its argument.
func BenchmarkShape(b *testing.B) {
	v := reading{"north", 1_700_000_000, 21.5, true}
	ways := []struct {
		name   string
		append func([]byte, any) ([]byte, error)
		decode func([]byte, any) error
	}{{"short", Append, Decode}, {"library", appendSlow, decodeSlow}}
	for _, way := range ways {
		b.Run("encode "+way.name, func(b *testing.B) {
			var buf []byte
			for b.Loop() {
				buf, _ = way.append(buf[:0], &v)
			}
		})
	}
	data, _ := Append(nil, &v)
	numbers := fixed{-5, 1 << 20, [3]float64{1, 0.1, math.Pi}}
	plain, _ := Append(nil, &numbers)
	for _, way := range ways {
		b.Run("decode "+way.name, func(b *testing.B) {
			for b.Loop() {
				_ = way.decode(data, &v)
			}
		})
		b.Run("decode numbers "+way.name, func(b *testing.B) {
			for b.Loop() {
				_ = way.decode(plain, &numbers)
			}
		})
	}
}
