package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// TestManyLargeArrays: what is closed is let go of before the memory is full, although the
// collector sees little of it.
func TestManyLargeArrays(t *testing.T) {
	most := 0
	for range 100 {
		a, err := ipc.NewArray[byte](16 << 20)
		mustDo(t, err)
		most = max(most, ipc.MemoryTaken(t))
		_ = a.Close()
	}
	if most > 800<<20 {
		t.Errorf("%d MiB were taken", most>>20)
	}
}

// TestSliceAfterClose: V4: a slice is that of its array as long as the handle is reachable,
// closed or not; later it is of no use, but no fault.
func TestSliceAfterClose(t *testing.T) {
	a, err := ipc.NewArray[uint64](1 << 15)
	mustDo(t, err)
	s := a.Slice()
	for i := range s {
		s[i] = uint64(i)
	}
	mustDo(t, a.Close())
	for range 20 {
		runtime.GC()
		b, err := ipc.NewArray[uint64](1 << 15)
		mustDo(t, err)
		b.Set(9, 1<<40)
		_ = b.Close()
	}
	for i := range s {
		if s[i] != uint64(i) {
			t.Fatalf("element %d is %d", i, s[i])
		}
	}
	before := ipc.MemoryTaken(t)
	runtime.KeepAlive(a)
	until(t, func() bool { runtime.GC(); return ipc.MemoryTaken(t) < before })
	sum := uint64(0)
	for _, v := range s {
		sum += v
	}
	t.Log(sum)
}

// TestBytes: a buffer that is filled in place, and the ways to read.
func TestBytes(t *testing.T) {
	buf, err := ipc.NewBytesBuffer(1000)
	mustDo(t, err)
	text := bytes.Repeat([]byte("0123456789"), 100)
	copy(buf.Bytes(), text)
	b, err := buf.Seal()
	mustDo(t, err)
	defer b.Close()
	if err := panicOf(func() { buf.Bytes() }); !errors.Is(err, ipc.ErrClosed) {
		t.Errorf("after Seal: %v", err)
	}
	if _, err := buf.Seal(); !errors.Is(err, ipc.ErrClosed) || buf.Close() != nil || b.Closed() {
		t.Errorf("a second Seal: %v", err)
	}
	if got := outcomeOf(t, readBytes.Submit(t.Context(), open(t, 1), b)); !bytes.Equal(got, text) || !bytes.Equal(b.Slice(), text) {
		t.Errorf("%q", got)
	}
	var all bytes.Buffer
	if n, err := b.WriteTo(&all); n != 1000 || err != nil || !bytes.Equal(all.Bytes(), text) {
		t.Errorf("WriteTo: %d, %v", n, err)
	}
	part := make([]byte, 5)
	for off, want := range map[int64]string{0: "01234", 995: "56789", 998: "89", 1000: "", 5000: ""} {
		n, err := b.ReadAt(part, off)
		if string(part[:n]) != want || (err == io.EOF) != (n < 5) {
			t.Errorf("at %d: %q, %v", off, part[:n], err)
		}
	}
	if _, err := b.ReadAt(part, -1); err == nil {
		t.Error("a negative offset")
	}
	if n, err := b.Reader().Seek(-3, io.SeekEnd); n != 997 || err != nil {
		t.Error(n, err)
	}
	mustDo(t, b.View(func(p []byte) error {
		if &p[0] != &b.Slice()[0] || cap(p) != 1000 {
			t.Error("View copies, or gives more")
		}
		return nil
	}))
}

var scribble = futures.Define("test.scribble", func(_ context.Context, b *ipc.Bytes) (byte, error) {
	b.Slice()[3] = 'X'
	return b.Slice()[3], nil
})

// TestBytesReadOnly: V5: who writes to Bytes ends, and nothing has changed.
func TestBytesReadOnly(t *testing.T) {
	for _, n := range []int{10, 1 << 20} {
		b := newBytes(t, bytes.Repeat([]byte("."), n))
		var said strings.Builder
		p, err := procpool.New(procpool.Options{Workers: 1, Logger: quiet, Stderr: func(_ int, line []byte) { said.Write(line) }})
		mustDo(t, err)
		_, err = scribble.Submit(t.Context(), p, b).Result(t.Context())
		if !isCrash(err) || !strings.Contains(err.Error(), "fault") {
			t.Fatalf("got %v", err)
		}
		if !bytes.Equal(outcomeOf(t, readBytes.Submit(t.Context(), p, b)), bytes.Repeat([]byte("."), n)) {
			t.Error("it has changed")
		}
		mustDo(t, p.Close())
		if !strings.Contains(said.String(), "SIGSEGV") {
			t.Errorf("it said %q", said.String())
		}
	}
}

// TestBufferDropped: a buffer that nobody seals is given back.
func TestBufferDropped(t *testing.T) {
	const size = 8 << 20
	before := 0
	func() {
		b, err := ipc.NewBytesBuffer(size)
		mustDo(t, err)
		before = ipc.MemoryTaken(t)
		runtime.KeepAlive(b)
	}()
	until(t, func() bool { runtime.GC(); return ipc.MemoryTaken(t) <= before-size })
	member := newValue(t, 0) // somebody buries the dead
	p := open(t, 1)
	taken := outcomeOf(t, keepBuffer.Submit(t.Context(), p, size))
	mustDo(t, kill(p.Inspect().Workers[0].PID))
	until(t, func() bool { return ipc.MemoryTaken(t) <= taken-size })
	runtime.KeepAlive(member)
}

var kept *ipc.BytesBuffer

var keepBuffer = futures.Define("test.keepBuffer", func(_ context.Context, n int) (taken int, err error) {
	if kept, err = ipc.NewBytesBuffer(n); err != nil {
		return 0, err
	}
	return ipc.MemoryTaken(nil), nil
})

// TestSharedCorrupt: V6: numbers that no correct process writes are an error.
func TestSharedCorrupt(t *testing.T) {
	p := open(t, 1)
	a, b, v := newArray[int32](t, 10), newBytes(t, make([]byte, 100)), newValue(t, wide{})
	for _, c := range []struct {
		name  string
		h     anyHandle
		off   int
		words []uint64
	}{
		{"Array", a, 0, []uint64{11, 1 << 20, 1 << 62, math.MaxUint64}},
		{"Array", a, 8, []uint64{0, 8, 5, 1 << 61, math.MaxUint64}},
		{"Bytes", b, 0, []uint64{101, 1 << 62, math.MaxUint64}},
		{"Bytes", b, 8, []uint64{1}},
		{"wide", v, 8, []uint64{0, 8, 1 << 62, math.MaxUint64, math.MaxUint64 - 63}},
	} {
		data, err := c.h.MarshalCBOR()
		mustDo(t, err)
		good := map[anyHandle]map[int]uint64{a: {0: 10, 8: 4}, b: {0: 100, 8: 0}, v: {8: 168}}[c.h][c.off]
		for _, word := range c.words {
			ipc.Corrupt(t, data, c.off, word)
			fresh := open(t, 1) // has not looked at it yet
			if _, err := useElsewhere.Submit(t.Context(), fresh, travelled{c.name, data}).Result(t.Context()); !errors.Is(err, ipc.ErrCorrupt) {
				t.Errorf("%s with %d at %d: %v", c.name, word, c.off, err)
			}
			mustDo(t, fresh.Close())
		}
		ipc.Corrupt(t, data, c.off, good)
	}
	for name, h := range map[string]anyHandle{"Array": a, "Bytes": b, "wide": v} {
		data, err := h.MarshalCBOR()
		mustDo(t, err)
		if _, err := useElsewhere.Submit(t.Context(), p, travelled{name, data}).Result(t.Context()); err != nil {
			t.Errorf("%s in order again: %v", name, err)
		}
	}
}
