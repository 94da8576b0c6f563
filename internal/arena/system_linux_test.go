package arena

import (
	"bytes"
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/futures-go/futures/internal/shm"
)

// fake stands for the system. Without hooks, everything succeeds and nothing is done.
type fake struct{ reserve, punch func(off, n int) error }

func (f *fake) Reserve(off, n int) error { return call(f.reserve, off, n) }
func (f *fake) Punch(off, n int) error   { return call(f.punch, off, n) }

func call(f func(off, n int) error, off, n int) error {
	if f == nil {
		return nil
	}
	return f(off, n)
}

// faked returns an arena that asks f for memory.
func faked(t testing.TB, size int, f memory) *Arena {
	t.Helper()
	return newArena(create(t, size).Region(), f)
}

// A3: what was given back is gone and reads as zeros; allocated blocks stay.
func TestTrim(t *testing.T) {
	a := create(t, 64<<20)
	var kept, freed []Block
	for i, n := range []int{500, 600, 5000, 5000, 50_000, 70_000, 1 << 20, 40 << 20} {
		b := alloc(t, a, n)
		for i := range a.Bytes(b) {
			a.Bytes(b)[i] = 7
		}
		if i%2 == 0 {
			kept = append(kept, b)
		} else {
			freed = append(freed, b)
		}
	}
	for _, b := range freed {
		a.Free(b)
	}
	if s := a.Stats(); s.Warm < 40<<20 {
		t.Errorf("%+v before Trim", s)
	}
	for range 2 {
		if err := a.Trim(); err != nil {
			t.Fatal(err)
		}
		// The rests of pages in which blocks are cannot be given back.
		if s := a.Stats(); s.Warm >= 2*len(kept)*shm.PageSize() || s.Blocks != len(kept) {
			t.Errorf("%+v after Trim with %d blocks", s, len(kept))
		}
		checkPages(t, a)
		checkBooks(t, a)
	}
	big := freed[len(freed)-1]
	if bytes.ContainsFunc(a.Bytes(big)[:1<<20], func(r rune) bool { return r != 0 }) {
		t.Error("punched memory does not read as zeros")
	}
	for _, b := range kept {
		if bytes.ContainsFunc(a.Bytes(b), func(r rune) bool { return r != 7 }) {
			t.Errorf("%+v changed", b)
		}
		a.Free(b)
	}
	if err := a.Trim(); err != nil {
		t.Fatal(err)
	}
	if s := a.Stats(); s != (Stats{}) {
		t.Errorf("%+v without blocks", s)
	}
}

// A failing system loses nothing, and Trim says so.
func TestPunchFails(t *testing.T) {
	f := &fake{punch: func(off, n int) error { return syscall.EIO }}
	a := faked(t, 4*mostWarm, f)
	b := alloc(t, a, 2*mostWarm)
	a.Free(b)
	checkBooks(t, a)
	if s := a.Stats(); s.Warm != b.Cap {
		t.Errorf("%+v", s)
	}
	if err := a.Trim(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Trim: %v", err)
	}
	checkBooks(t, a)
	f.punch = nil
	if err := a.Trim(); err != nil || a.Stats() != (Stats{}) {
		t.Errorf("Trim: %v, %+v", err, a.Stats())
	}
}

// A5: large blocks cool down in the order in which they were freed, whatever their
// sizes, and small ones never.
func TestWarmBound(t *testing.T) {
	type punched struct{ off, n int }
	var got []punched
	f := &fake{punch: func(off, n int) error {
		got = append(got, punched{off, n})
		return nil
	}}
	a := faked(t, 4*mostWarm, f)
	small := make([]Block, 1000)
	for i := range small {
		small[i] = alloc(t, a, 1000)
	}
	oldest, newer := alloc(t, a, 1<<20), alloc(t, a, 2<<20)
	large := alloc(t, a, mostWarm)
	for _, b := range append(small, oldest, newer) {
		a.Free(b)
	}
	if len(got) != 0 {
		t.Fatalf("%v punched within the bound", got)
	}
	a.Free(large)
	if len(got) != 2 || got[0] != punched(span{oldest.Off, oldest.Cap}) || got[1].off != newer.Off {
		t.Errorf("%v punched, want %+v and %+v", got, oldest, newer)
	}
	checkBooks(t, a)
	got = nil
	larger := alloc(t, a, mostWarm+1) // can never stay
	a.Free(larger)
	bytes := 0
	for _, p := range got {
		if p.n > piece {
			t.Errorf("%d bytes punched at once", p.n)
		}
		bytes += p.n
	}
	if want := large.Cap + larger.Cap; bytes != want {
		t.Errorf("%d bytes punched, want %d", bytes, want)
	}
	checkBooks(t, a)
	if s := a.Stats(); s.Warm != 1<<20 || s.Allocated != 0 {
		t.Errorf("%+v, want the small blocks warm", s)
	}
}

// A6: nobody waits for the system but those who need what it gives.
func TestNoSystemCallUnderLock(t *testing.T) {
	var a *Arena
	calls := 0
	unlocked := func(off, n int) error {
		calls++
		if !a.mu.TryLock() {
			t.Error("A6: a system call with the lock held")
			return nil
		}
		a.mu.Unlock()
		return nil
	}
	a = faked(t, 4*mostWarm, &fake{reserve: unlocked, punch: unlocked})
	for _, n := range []int{1, 10_000, 1 << 20, 2 * mostWarm} {
		a.Free(alloc(t, a, n))
	}
	if err := a.Trim(); err != nil {
		t.Fatal(err)
	}
	if calls < 6 {
		t.Errorf("only %d calls", calls)
	}
}

// A2: where the system has no memory, Alloc fails and nothing is lost; a warm block
// still serves.
func TestNoMemory(t *testing.T) {
	a := create(t, 16<<20)
	real := a.memory
	none := &fake{
		reserve: func(off, n int) error {
			_ = real.Reserve(off, n/2)
			return syscall.ENOMEM
		},
		punch: real.Punch,
	}
	for _, n := range []int{1, 100_000, 4 << 20} {
		a.memory = none
		if b, ok := a.Alloc(n); ok {
			t.Fatalf("%+v without memory", b)
		}
		checkPages(t, a)
		checkBooks(t, a)
		a.memory = real
		b := alloc(t, a, 4<<20)
		a.Free(b)
		a.memory = none
		b = alloc(t, a, n)
		checkPages(t, a)
		checkBooks(t, a)
		a.Free(b)
		if err := a.Trim(); err != nil {
			t.Fatal(err)
		}
	}
}

// A2: a block's pages exist before anyone touches it.
func TestReserved(t *testing.T) {
	a := create(t, 64<<20)
	for _, n := range []int{1, 1000, 60_000, 1 << 20, 5 << 20} {
		b := alloc(t, a, n)
		checkPages(t, a)
		if s := a.Stats(); s.Allocated < n {
			t.Errorf("%+v with %+v allocated", s, b)
		}
	}
}

// A4: whoever needs room that is being given back waits for it.
func TestRoomUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		punched := make(chan struct{})
		f := new(fake)
		a := faked(t, 1<<20, f)
		a.Free(alloc(t, a, 1<<20))
		f.punch = func(off, n int) error { <-punched; return nil }
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := a.Trim(); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		done := false
		wg.Go(func() {
			alloc(t, a, 1<<20)
			done = true
		})
		synctest.Wait()
		if done {
			t.Error("a block was handed out that is being punched")
		}
		close(punched)
		wg.Wait()
		checkBooks(t, a)
	})
}
