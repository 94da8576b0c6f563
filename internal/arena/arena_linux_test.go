package arena

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/futures-go/futures/internal/shm"
)

func create(t testing.TB, size int) *Arena {
	t.Helper()
	a, err := New(t.Name(), size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(a.Close(), a.Region().Unmap()); err != nil {
			t.Error(err)
		}
	})
	return a
}

func alloc(t testing.TB, a *Arena, n int) Block {
	t.Helper()
	b, ok := a.Alloc(n)
	if !ok {
		t.Fatalf("no room for %d bytes", n)
	}
	return b
}

func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), want) {
			t.Errorf("panic %v, want one with %q", v, want)
		}
	}()
	f()
}

// checkBooks fails unless each byte is in an allocated block, in a free one, or in
// a free span, and what the arena counts is what there is. Nothing else may run.
func checkBooks(t testing.TB, a *Arena) {
	t.Helper()
	var all spans
	add := func(what string, x span) {
		t.Helper()
		if i := all.after(x.off); i > 0 && all.list[i-1].end() > x.off || i < len(all.list) && all.list[i].off < x.end() {
			t.Fatalf("A1: the %s %v overlaps others", what, x)
		}
		all.put(x)
	}
	var allocated, warm, blocks int
	for i, c := range a.chunks {
		for j := 0; c != nil && j < len(c); j++ {
			if c[j] == 0 {
				continue
			}
			x := span{i<<chunkShift + j*grain, sizeOf(int(c[j]) - 1)}
			add("block", x)
			if !a.pages.exist(x) {
				t.Fatalf("A2: block %v has no pages", x)
			}
			blocks++
			allocated += x.n
		}
	}
	for class, list := range a.free {
		for _, f := range list {
			x := span{f.off, sizeOf(class)}
			add("free block", x)
			if !a.pages.exist(x) {
				t.Fatalf("A2: free block %v has no pages", x)
			}
			if class >= a.large {
				warm += x.n
			}
		}
	}
	for _, x := range a.spans.list {
		add("free span", x)
	}
	if want := (span{0, a.region.Size()}); len(all.list) != 1 || all.list[0] != want {
		t.Fatalf("%v is known, want all of %v", all.list, want)
	}
	s := a.Stats()
	if s.Blocks != blocks || s.Allocated != allocated || a.warmLarge != warm || a.away != 0 {
		t.Fatalf("%+v, %d bytes warm in large blocks, %d away; found %d blocks, %d and %d bytes",
			s, a.warmLarge, a.away, blocks, allocated, warm)
	}
	if warm > mostWarm {
		t.Fatalf("A5: %d bytes are warm in large blocks", warm)
	}
}

// checkPages fails unless the system holds the pages that the arena believes.
func checkPages(t testing.TB, a *Arena) {
	t.Helper()
	checkPagesBut(t, a, 0)
}

// checkPagesBut is checkPages where as many pages may exist that do not count.
func checkPagesBut(t testing.TB, a *Arena, uncounted int) {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(a.Region().FD(), &st); err != nil {
		t.Fatal(err)
	}
	s := a.Stats()
	if more := int(st.Blocks)*512 - s.Allocated - s.Warm; more < 0 || more > uncounted*shm.PageSize() {
		t.Fatalf("%+v, but there are %d bytes in pages", s, st.Blocks*512)
	}
}

// player allocates and frees at random, and writes into its blocks what it finds
// there again if nobody else was given them (A1) or changed them (A3).
type player struct {
	t    testing.TB
	a    *Arena
	rng  *rand.Rand
	most int // the largest size it asks for
	held []stamped
}

type stamped struct {
	Block
	stamp uint64
}

// places are where a block's stamps are: in its first, last, and each 1000th word.
func (b stamped) places(f func(off int)) {
	for off := 0; off < b.Cap; off += 8000 {
		f(off)
	}
	f(b.Cap - 8)
}

func (p *player) alloc() (n int, ok bool) {
	n = 1 + int(math.Exp2(p.rng.Float64()*math.Log2(float64(p.most))))
	b, ok := p.a.Alloc(n)
	if !ok {
		return n, false
	}
	mem := p.a.Bytes(b)
	if b.Cap < n || len(mem) != b.Cap || cap(mem) != b.Cap || b.Off%64 != 0 || b.Cap%64 != 0 {
		p.t.Errorf("%+v with %d bytes for %d", b, len(mem), n)
	}
	if b.Cap >= 1<<20 && b.Off%shm.PageSize() != 0 {
		p.t.Errorf("A1: %+v is not page aligned", b)
	}
	s := stamped{b, p.rng.Uint64()}
	s.places(func(off int) { binary.LittleEndian.PutUint64(mem[off:], s.stamp) })
	p.held = append(p.held, s)
	return n, true
}

func (p *player) free() {
	if len(p.held) == 0 {
		return
	}
	i, last := p.rng.IntN(len(p.held)), len(p.held)-1
	s := p.held[i]
	p.held[i] = p.held[last]
	p.held = p.held[:last]
	mem := p.a.Bytes(s.Block)
	s.places(func(off int) {
		if got := binary.LittleEndian.Uint64(mem[off:]); got != s.stamp {
			p.t.Errorf("A3: %+v holds %#x at %d, want %#x", s.Block, got, off, s.stamp)
		}
	})
	p.a.Free(s.Block)
}

func (p *player) freeAll() {
	for len(p.held) > 0 {
		p.free()
	}
}

// A1 to A5 hold for random allocations, in an arena that is full half of the time,
// also while the system has no memory at times.
func TestRandom(t *testing.T) {
	for _, scarce := range []bool{false, true} {
		t.Run(fmt.Sprintf("scarce=%v", scarce), func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, 0))
			a := create(t, 4<<20)
			uncounted := 0 // pages at both ends of what could not be reserved
			if scarce {
				a.memory = &fake{
					reserve: func(off, n int) error {
						if rng.IntN(4) == 0 {
							uncounted += 2
							_ = a.region.Reserve(off, n/2) // as far as it came
							return syscall.ENOMEM
						}
						return a.region.Reserve(off, n)
					},
					punch: a.region.Punch,
				}
			}
			p := &player{t: t, a: a, rng: rng, most: 2 << 20}
			failures, chance := 0, 0
			for step := range 20000 {
				if step%500 == 0 {
					chance = 35 + rng.IntN(40)
					p.most = 1 << (9 + rng.IntN(13))
					checkBooks(t, a)
					checkPagesBut(t, a, uncounted)
				}
				if rng.IntN(1000) == 0 {
					if err := a.Trim(); err != nil {
						t.Fatal(err)
					}
					checkPagesBut(t, a, uncounted)
				}
				if rng.IntN(100) >= chance {
					p.free()
				} else if n, ok := p.alloc(); !ok {
					failures++
					checkNoneFits(t, a, n, scarce)
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("%d failures", failures)
			if failures == 0 {
				t.Error("it was never full")
			}
			p.freeAll()
			checkBooks(t, a)
			a.memory = a.region
			alloc(t, a, a.Region().Size()) // A4: all that is free serves together
		})
	}
}

// checkNoneFits is A4 where Alloc(n) has just failed. If memory is scarce, spans
// whose pages do not exist are no room.
func checkNoneFits(t *testing.T, a *Arena, n int, scarce bool) {
	t.Helper()
	class := classOf(n)
	for larger := class; larger < classes; larger++ {
		if len(a.free[larger]) > 0 {
			t.Errorf("A4: no room for %d bytes, but a block of %d is free", n, sizeOf(larger))
		}
	}
	align := grain
	if sizeOf(class) >= alignFrom {
		align = shm.PageSize()
	}
	for _, x := range a.spans.list {
		off := (x.off + align - 1) / align * align
		if off+sizeOf(class) <= x.end() && !scarce {
			t.Errorf("A4: no room for %d bytes, but %v is free", n, x)
		}
	}
}

// A1 and A3 under load: many goroutines in an arena that is too small for them.
func TestTogether(t *testing.T) {
	a := create(t, 8<<20)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var players, others sync.WaitGroup
	for g := range 8 {
		players.Go(func() {
			p := &player{t: t, a: a, rng: rand.New(rand.NewPCG(seed, uint64(g))), most: 1 << 20}
			for range 4000 {
				if p.rng.IntN(2) == 0 || len(p.held) == 0 {
					_, _ = p.alloc()
				} else {
					p.free()
				}
			}
			p.freeAll()
		})
	}
	stop := make(chan struct{})
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := a.Trim(); err != nil {
				t.Error(err)
			}
			if s := a.Stats(); s.Allocated < 0 || s.Warm < 0 || s.Allocated+s.Warm > a.Region().Size() {
				t.Errorf("%+v", s)
			}
		}
	})
	players.Wait()
	close(stop)
	others.Wait()
	checkBooks(t, a)
	checkPages(t, a)
	alloc(t, a, a.Region().Size())
}

// A4: a full arena refuses, and has room again after each Free.
func TestFull(t *testing.T) {
	a := create(t, 1<<20)
	var all []Block
	for {
		b, ok := a.Alloc(1000)
		if !ok {
			break
		}
		all = append(all, b)
	}
	if len(all) != 1024 {
		t.Errorf("%d blocks of 1 KiB in 1 MiB", len(all))
	}
	if _, ok := a.Alloc(0); ok {
		t.Error("there is room in a full arena")
	}
	for _, n := range []int{1<<20 + 1, 1 << 30, math.MaxInt} {
		if _, ok := a.Alloc(n); ok {
			t.Errorf("there is room for %d bytes", n)
		}
	}
	mustPanic(t, "Alloc of -1 bytes", func() { a.Alloc(-1) })
	for _, b := range all {
		a.Free(b)
		if again := alloc(t, a, b.Cap); again != b {
			t.Fatalf("%+v instead of the only free block %+v", again, b)
		}
		a.Free(b)
		small := alloc(t, a, 1) // half of it
		a.Free(small)
		alloc(t, a, b.Cap) // and both halves again
	}
	for _, b := range all {
		a.Free(b)
	}
	a.Free(alloc(t, a, 1<<20))
	checkBooks(t, a)
}

// A1: a block of 1 MiB is page aligned, also where it is made of smaller ones.
func TestAligned(t *testing.T) {
	a := create(t, 2<<20)
	var all []Block // by offset, since nothing was freed before
	for b, ok := a.Alloc(512); ok; b, ok = a.Alloc(512) {
		all = append(all, b)
	}
	page, most := shm.PageSize()/512, 1<<20/512
	for _, b := range all[1 : 1+most] {
		a.Free(b)
	}
	if b, ok := a.Alloc(1 << 20); ok {
		t.Fatalf("%+v, where only [512, 512+1 MiB) is free", b)
	}
	for _, b := range all[1+most : most+page] {
		a.Free(b)
	}
	if b := alloc(t, a, 1<<20); b.Off != shm.PageSize() {
		t.Errorf("%+v, want the second page", b)
	}
	checkBooks(t, a)
}

// The block that was freed last is used first, as it was left; larger or smaller
// ones do not take its place.
func TestWarmBlocks(t *testing.T) {
	a := create(t, 64<<20)
	for _, n := range []int{1, 1000, 100_000, 3 << 20} {
		first, second := alloc(t, a, n), alloc(t, a, n)
		for i := range a.Bytes(second) {
			a.Bytes(second)[i] = 7
		}
		kept := bytes.Clone(a.Bytes(second))
		before := a.Stats()
		a.Free(first)
		a.Free(second)
		s := a.Stats()
		if s.Warm != before.Warm+2*first.Cap || s.Blocks != before.Blocks-2 || s.Allocated != before.Allocated-2*first.Cap {
			t.Errorf("%+v after two frees of %d, before it was %+v", s, first.Cap, before)
		}
		if again := alloc(t, a, n); again != second || !bytes.Equal(a.Bytes(again), kept) {
			t.Errorf("%+v, want %+v as it was", again, second)
		}
		if again := alloc(t, a, n); again != first {
			t.Errorf("%+v, want %+v", again, first)
		}
		if s := a.Stats(); s != before {
			t.Errorf("%+v, want %+v", s, before)
		}
		checkPages(t, a)
	}
}

// A7: to free what is not allocated is a mistake that shows at once.
func TestFreePanics(t *testing.T) {
	a := create(t, 4<<20)
	b, large := alloc(t, a, 1000), alloc(t, a, 1<<20)
	freed := alloc(t, a, 1000)
	a.Free(freed)
	for _, wrong := range []Block{
		{}, freed,
		{b.Off, 0}, {b.Off, b.Cap - 1}, {b.Off, 512}, {b.Off, 2048}, {b.Off, -b.Cap}, {b.Off, math.MaxInt}, {b.Off, math.MinInt},
		{b.Off + 1, b.Cap}, {b.Off + 512, 512}, {b.Off - b.Cap, b.Cap}, {-b.Cap, b.Cap}, {math.MinInt, b.Cap},
		{large.Off + 4096, 4096}, {4 << 20, 1024}, {1 << 30, 1024}, {math.MaxInt &^ (grain - 1), 512},
	} {
		mustPanic(t, "not allocated", func() { a.Free(wrong) })
	}
	checkBooks(t, a)
	a.Free(b)
	a.Free(large)
	mustPanic(t, "not allocated", func() { a.Free(large) })
	checkBooks(t, a)
}

// A7: a peer's word for where a block is can be anything.
func TestView(t *testing.T) {
	a := create(t, 1<<20)
	fd, err := syscall.Dup(a.Region().FD())
	if err != nil {
		t.Fatal(err)
	}
	peer, err := shm.Open(fd, a.Region().Size())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	b := alloc(t, a, 1000)
	copy(a.Bytes(b), "from the parent")
	mem, err := View(peer, uint64(b.Off), uint64(b.Cap))
	if err != nil || len(mem) != b.Cap || cap(mem) != b.Cap || !bytes.HasPrefix(mem, []byte("from the parent")) {
		t.Errorf("View: %q, %v", mem, err)
	}
	size := uint64(peer.Size())
	for _, at := range [][2]uint64{{0, 0}, {size, 0}, {0, size}, {size - 1, 1}} {
		if mem, err := View(peer, at[0], at[1]); err != nil || uint64(len(mem)) != at[1] {
			t.Errorf("View of %d bytes at %d: %d, %v", at[1], at[0], len(mem), err)
		}
	}
	for _, at := range [][2]uint64{
		{0, size + 1}, {1, size}, {size, 1}, {size + 1, 0}, {math.MaxUint64, 1}, {1, math.MaxUint64},
		{math.MaxUint64, math.MaxUint64}, {1 << 63, 1 << 63}, {math.MaxUint64 - 63, 64},
	} {
		if mem, err := View(peer, at[0], at[1]); !errors.Is(err, shm.ErrRange) || mem != nil {
			t.Errorf("View of %d bytes at %d: %v", at[1], at[0], err)
		}
	}
}

// A peer that writes everywhere changes no book.
func TestVandal(t *testing.T) {
	a := create(t, 1<<20)
	rng := rand.New(rand.NewPCG(1, 2))
	var held []Block
	for range 10000 {
		if b, ok := a.Alloc(rng.IntN(20000)); ok && rng.IntN(2) == 0 {
			held = append(held, b)
		} else if ok {
			a.Free(b)
		} else {
			a.Free(held[0])
			held = held[1:]
		}
		a.region.Bytes()[rng.IntN(a.region.Size())] = byte(rng.Uint32())
	}
	checkBooks(t, a)
}

func TestNewTakesWhatItGets(t *testing.T) {
	const tooMuch = math.MaxInt/2 + 1
	a := create(t, tooMuch)
	if n := a.Region().Size(); n < leastSize || n > tooMuch {
		t.Errorf("%d bytes", n)
	}
	a.Free(alloc(t, a, 1000))
	mustPanic(t, "New with size 0", func() { _, _ = New("none", 0) })
}

func TestClose(t *testing.T) {
	a := create(t, 64<<20)
	b, cold := alloc(t, a, 1000), alloc(t, a, 2<<20)
	a.Free(alloc(t, a, 1000))
	a.Bytes(b)[0] = 7
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := a.Alloc(1000); ok {
		t.Error("a closed arena has room")
	}
	if a.Bytes(b)[0] != 7 {
		t.Error("A8: the block's memory is gone before the block")
	}
	a.Free(b)
	if a.gone || a.Region().Size() == 0 {
		t.Error("A8: the memory is gone before the last block")
	}
	a.Free(cold)
	if s := a.Stats(); s.Blocks != 0 || !a.gone || a.Region().Size() != 0 {
		t.Errorf("A8: %+v, %d bytes are mapped", s, a.Region().Size())
	}
	if err := a.Trim(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Trim: %v", err)
	}
}
