package shm_test

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/futures-go/futures/internal/shm"
)

type header struct {
	Magic, version uint32
	Head           atomic.Uint64
	_              [112]byte
	slots          [4]struct {
		state atomic.Uint32
		small [3]int16
		flag  bool
	}
}

func TestWords(t *testing.T) {
	r := create(t, shm.PageSize())
	r.Uint32(4).Store(0x01020304)
	r.Uint64(r.Size() - 8).Store(math.MaxUint64)
	if r.Uint64(r.Size()-8).Add(2) != 1 {
		t.Error("a word does not wrap around")
	}
	h := shm.At[header](r, 0)
	if h.version != 0x01020304 {
		t.Errorf("version = %#x", h.version)
	}
	h.slots[3].state.Store(9)
	list := shm.SliceAt[header](r, 0, r.Size()/int(unsafe.Sizeof(header{})))
	if &list[0] != h || list[0].slots[3].state.Load() != 9 || cap(list) != len(list) {
		t.Error("At and SliceAt disagree")
	}
	if got := shm.SliceAt[uint64](r, r.Size(), 0); got != nil {
		t.Errorf("no values: %v", got)
	}
}

// S4: the caller's own misuse.
func TestMisusePanics(t *testing.T) {
	r := create(t, shm.PageSize())
	size := r.Size()
	mustPanic(t, "Create with size 0", func() { _, _ = shm.Create("none", 0) })
	mustPanic(t, "CreateBroadcast with size -1", func() { _, _ = shm.CreateBroadcast("none", -1) })
	for _, off := range []int{-4, size - 2, size, math.MaxInt &^ 3, math.MinInt} {
		mustPanic(t, "in a region of", func() { r.Uint32(off) })
		mustPanic(t, "in a region of", func() { shm.SliceAt[uint32](r, off, 1) })
	}
	mustPanic(t, "not aligned to 4", func() { r.Uint32(2) })
	mustPanic(t, "not aligned to 8", func() { r.Uint64(4) })
	mustPanic(t, "in a region of", func() { shm.SliceAt[uint32](r, 4, size/4) })
	mustPanic(t, "in a region of", func() { shm.SliceAt[uint32](r, 0, math.MaxInt) })
	mustPanic(t, "in a region of", func() { shm.SliceAt[uint32](r, 0, -1) })
	for _, bad := range [][2]int{{-1, 1}, {0, -1}, {0, size + 1}, {size + 1, 0}, {1, math.MaxInt}} {
		off, n := bad[0], bad[1]
		mustPanic(t, "Reserve", func() { _ = r.Reserve(off, n) })
		mustPanic(t, "Punch", func() { _ = r.Punch(off, n) })
		mustPanic(t, "Mirror", func() { _, _ = r.Mirror(off, n) })
	}
	mustPanic(t, "not made of pages", func() { _, _ = r.Mirror(0, 100) })
	mustPanic(t, "not made of pages", func() { _, _ = r.Mirror(0, 0) })
	mustPanic(t, "not made of pages", func() { _, _ = r.Mirror(8, shm.PageSize()-8) })
	mustPanic(t, "CopyIn", func() { r.CopyIn(size-1, make([]byte, 2)) })
	mustPanic(t, "CopyOut", func() { r.CopyOut(make([]byte, 2), size-1) })
}

// S5: no type with a Go pointer, or an address, gets into a region.
func TestNoPointers(t *testing.T) {
	r := create(t, shm.PageSize())
	const refused = "cannot be in shared memory"
	mustPanic(t, refused, func() { shm.At[*int](r, 0) })
	mustPanic(t, refused, func() { shm.At[string](r, 0) })
	mustPanic(t, refused, func() { shm.At[[]byte](r, 0) })
	mustPanic(t, refused, func() { shm.At[any](r, 0) })
	mustPanic(t, refused, func() { shm.At[uintptr](r, 0) })
	mustPanic(t, refused, func() { shm.At[unsafe.Pointer](r, 0) })
	mustPanic(t, refused, func() { shm.At[func()](r, 0) })
	mustPanic(t, refused, func() { shm.At[chan int](r, 0) })
	mustPanic(t, refused, func() { shm.At[map[int]int](r, 0) })
	mustPanic(t, refused, func() { shm.At[[2]struct{ a [1]*int }](r, 0) })
	mustPanic(t, refused, func() { shm.At[atomic.Pointer[int]](r, 0) })
	mustPanic(t, refused, func() { shm.At[struct{}](r, 0) })
	shm.At[struct {
		_ [3]complex128
		_ float32
		_ int
	}](r, 0)
}

// S4: what a peer wrote.
func TestCheckRange(t *testing.T) {
	r := create(t, shm.PageSize())
	size := uint64(r.Size())
	for _, ok := range [][2]uint64{{0, 0}, {0, size}, {size, 0}, {size - 1, 1}, {5, 6}} {
		if err := r.CheckRange(ok[0], ok[1]); err != nil {
			t.Errorf("CheckRange(%d, %d): %v", ok[0], ok[1], err)
		}
	}
	for _, bad := range [][2]uint64{
		{0, size + 1}, {size, 1}, {size + 1, 0}, {size - 1, 2},
		{math.MaxUint64, 1}, {1, math.MaxUint64}, {math.MaxUint64, math.MaxUint64}, {1 << 63, 1 << 63},
	} {
		if err := r.CheckRange(bad[0], bad[1]); !errors.Is(err, shm.ErrRange) {
			t.Errorf("CheckRange(%d, %d): %v, want ErrRange", bad[0], bad[1], err)
		}
	}
}

func FuzzCheckRange(f *testing.F) {
	r, err := shm.Create("fuzz", shm.PageSize())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = r.Close() })
	f.Add(uint64(0), uint64(1))
	f.Add(uint64(r.Size()), uint64(0))
	f.Add(uint64(math.MaxUint64), uint64(2))
	f.Fuzz(func(t *testing.T, off, n uint64) {
		if r.CheckRange(off, n) == nil {
			_ = r.Bytes()[off:][:n] // panics if the check let a bad range pass
		}
	})
}
