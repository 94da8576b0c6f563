package wake

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func never() bool { return false }

func TestSpinDisabled(t *testing.T) {
	for _, max := range []time.Duration{0, -1} {
		s := Spin{Max: max}
		calls := 0
		if s.Until(func() bool { calls++; return false }) || calls != 1 {
			t.Errorf("Max %v: polled %d times", max, calls)
		}
		if !s.Until(func() bool { return true }) {
			t.Errorf("Max %v: did not look at all", max)
		}
	}
}

// The budget follows what spinning was good for.
func TestSpinBudget(t *testing.T) {
	s := Spin{Max: 320 * time.Microsecond}
	for range 10 {
		if s.Until(never) {
			t.Fatal("true from nothing")
		}
	}
	if got, want := time.Duration(s.budget.Load()), s.Max/minBudget; got != want {
		t.Errorf("budget after misses %v, want %v", got, want)
	}
	answerAfter := func(polls int) func() bool {
		return func() bool { polls--; return polls < 0 }
	}
	for range 10 {
		if !s.Until(answerAfter(3)) {
			t.Fatal("missed a quick answer")
		}
	}
	if got := time.Duration(s.budget.Load()); got != s.Max {
		t.Errorf("budget after hits %v, want %v", got, s.Max)
	}
	if got := s.pure.Load(); got != maxPure {
		t.Errorf("%d pure polls after hits in the pure part, want %d", got, maxPure)
	}
	s.budget.Store(1)
	if s.Until(never) || s.budget.Load() < int64(s.Max/minBudget) {
		t.Error("the budget left its bounds")
	}
	s.Max = time.Nanosecond
	if s.Until(never) || s.budget.Load() != 1 {
		t.Errorf("budget %d of 1", s.budget.Load())
	}
}

// A goroutine that spins lets those run that it waits for, on its only processor.
// Not each time: now and then the Go scheduler takes the one who yields again, and
// on a busy machine a spin ends before.
func TestSpinLetsGoroutinesRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	hits := 0
	for range 200 {
		s := Spin{Max: time.Millisecond, Goroutines: true}
		var answered atomic.Bool
		go func() { answered.Store(true) }()
		if s.Until(answered.Load) {
			hits++
		}
	}
	if hits == 0 {
		t.Error("none of 200 waits was answered")
	}
}

// In a bubble the clock stands still while somebody spins.
func TestSpinInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, goroutines := range []bool{false, true} {
			s := Spin{Max: DefaultSpin, Goroutines: goroutines}
			if s.Until(never) {
				t.Error("true from nothing")
			}
		}
	})
}

func TestSpinDoesNotAllocate(t *testing.T) {
	s := Spin{Max: DefaultSpin}
	var word atomic.Uint64
	if n := testing.AllocsPerRun(100, func() {
		last := word.Load() + 1
		s.Until(func() bool { return word.Load() == last })
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What do the parts of a poll cost.
func BenchmarkSpinParts(b *testing.B) {
	b.Run("pause", func(b *testing.B) {
		for b.Loop() {
			pause()
		}
	})
	b.Run("sched_yield", func(b *testing.B) {
		for b.Loop() {
			schedYield()
		}
	})
	b.Run("Gosched", func(b *testing.B) {
		for b.Loop() {
			runtime.Gosched()
		}
	})
	b.Run("miss", func(b *testing.B) {
		s := Spin{Max: DefaultSpin}
		for b.Loop() {
			s.Until(never)
		}
	})
}

// After a yield that took long, waits do without: one, then three, up to mostShunned; and after
// short ones fewer again.
func TestSpinShunsYields(t *testing.T) {
	s := Spin{Max: DefaultSpin}
	polls := 0
	never := func() bool { polls++; return false }
	for want := int32(1); want < 4*mostShunned; want = 2*want + 1 {
		s.heed(crowded + 1)
		if got := s.shunning.Load(); got != min(want, mostShunned) {
			t.Fatalf("%d waits without a yield, want %d", got, want)
		}
		for left := s.shunning.Load(); left > 0; left-- {
			polls = 0
			if s.Until(never) || polls > 1+maxPure {
				t.Fatalf("%d polls, so there was a yield", polls)
			}
			if got := s.shunning.Load(); got != left-1 {
				t.Fatalf("%d waits left after one of %d", got, left)
			}
		}
	}
	for s.shunned.Load() > 0 {
		before := s.shunned.Load()
		s.heed(0)
		if got := s.shunned.Load(); got != before/2 || s.shunning.Load() != 0 {
			t.Fatalf("%d after %d", got, before)
		}
	}
}
