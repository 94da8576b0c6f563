package wake

import (
	"runtime"
	"sync/atomic"
	"time"
)

// DefaultSpin is a good Spin.Max: about what parking and waking cost. Whoever spins
// as long as that before he parks, loses at most as much again as the best choice
// made with foreknowledge would have cost.
const DefaultSpin = 30 * time.Microsecond

// The figures of the policy. Times are those of the machines it was tuned on: a
// sched_yield that finds nobody takes 0.2 to 0.5 us, one that lets the peer answer
// 1.3 us or more.
const (
	maxPure       = 256                   // polls before the first yield
	minPure       = 4                     // also where there is only one CPU
	longestPure   = 5 * time.Microsecond  // for slow pauses: a peer that polls too has answered by then
	pollsPerClock = 32                    // polls before the first yield between two looks at the clock
	pollsPerYield = 10                    // polls after each yield
	gosched       = 16                    // yields between two that call runtime.Gosched
	minBudget     = 32                    // the budget is at least Max/minBudget
	switched      = 800 * time.Nanosecond // a longer yield let somebody else run
	crowded       = 20 * time.Microsecond // after a longer one the CPU is wanted elsewhere
	mostShunned   = 1024                  // waits without a yield after such a one
	leastYield    = 100 * time.Nanosecond // no yield and polls are quicker
)

// Spin is the first part of waiting at one place of the program: polling. It
// remembers how the last waits there went.
//
//	pure    up to 256 polls with a pause between two: a peer on another CPU answers
//	        within them
//	yield   sched_yield, 10 polls, and again: a peer that shares this CPU gets it
//	park    Until returns false, and the caller sleeps
//
// The time for both, the budget, is doubled up to Max by a wait that was answered
// and halved by one that was not, so that a place where spinning is in vain costs a
// microsecond a wait. The length of the pure part adapts likewise to where the
// answers come from. At most one of several idle waiters should spin; that is for
// the caller to arrange.
//
// Where the CPU is wanted by others, a yield takes as long as they like, milliseconds, and
// whoever yields is not in a hurry for the system's scheduler, while who sleeps and is woken
// gets the CPU at once. So after a yield that took long, the next waits there only poll
// and park: 1, then 3, up to 1024, before it is tried again. With eight busy loops on two
// CPUs that made a round trip between processes 50 times as fast.
//
// The zero value does not spin. A Spin may be used by several goroutines, and must
// not be in shared memory.
type Spin struct {
	// Max bounds the time of one Until. Zero or less disables spinning, as is right
	// for a machine on battery or with more runnable threads than CPUs.
	Max time.Duration

	// Goroutines makes some of the yields let the program's other goroutines run too
	// (runtime.Gosched). It is for goroutines of a busy program. A worker's main loop,
	// which has nothing else to run, does without.
	//
	// Only some: while another CPU is idle, Gosched wakes a thread there to look for
	// work, which costs ten times a sched_yield. The others do not wait for long, as
	// the park that ends a spin lets them run anyway.
	Goroutines bool

	budget atomic.Int64 // nanoseconds; 0 before the first wait means Max
	pure   atomic.Int32 // polls; 0 before the first wait means maxPure

	shunning atomic.Int32 // waits to come that do not yield
	shunned  atomic.Int32 // how many those were the last time; 0 if yields are short
}

// epoch makes time.Since read the monotonic clock only, which is the cheapest.
var epoch = time.Now()

// Until polls ready until it returns true or the time for polling is over. It
// returns what ready returned last.
func (s *Spin) Until(ready func() bool) bool {
	if ready() {
		return true
	}
	if s.Max <= 0 {
		return false
	}
	budget := time.Duration(s.budget.Load())
	if budget <= 0 || budget > s.Max {
		budget = s.Max
	}
	hit := s.poll(ready, budget)
	if hit {
		budget *= 2
	} else {
		budget /= 2
	}
	s.budget.Store(int64(min(max(budget, s.Max/minBudget, 1), s.Max)))
	return hit
}

func (s *Spin) poll(ready func() bool, budget time.Duration) bool {
	pure := s.pure.Load()
	if pure == 0 {
		pure = maxPure
		if runtime.NumCPU() == 1 {
			pure = minPure
		}
	}
	start := time.Since(epoch)
	// Half of the budget belongs to the yields: a peer on this CPU must get its
	// chance however small the budget has become.
	for i := int32(1); i <= pure; i++ {
		pause()
		if ready() {
			s.pure.Store(min(2*pure, maxPure))
			return true
		}
		if i%pollsPerClock == 0 && time.Since(epoch)-start > min(budget/2, longestPure) {
			break
		}
	}
	if left := s.shunning.Load(); left > 0 {
		s.shunning.Store(left - 1)
		return false
	}
	// The rounds are counted too, for the clock of a testing/synctest bubble stands
	// still while anybody in it runs.
	before := time.Since(epoch)
	for round := range 1 + budget/leastYield {
		if s.Goroutines && round%gosched == gosched/4 {
			runtime.Gosched()
		}
		schedYield()
		after := time.Since(epoch)
		took := after - before
		for i := range pollsPerYield {
			if i > 0 {
				pause()
			}
			if ready() {
				if i == 0 && took > switched {
					pure = max(pure/2, minPure)
				} else {
					pure = min(2*pure, maxPure)
				}
				s.pure.Store(pure)
				s.heed(took)
				return true
			}
		}
		if took > crowded || after-start > budget {
			s.heed(took)
			return false
		}
		before = time.Since(epoch)
	}
	return false
}

// heed notes how long the last yield of a wait took.
func (s *Spin) heed(took time.Duration) {
	shun := s.shunned.Load()
	if took > crowded {
		shun = min(2*shun+1, mostShunned)
		s.shunning.Store(shun)
	} else if shun == 0 {
		return
	} else {
		shun /= 2
	}
	s.shunned.Store(shun)
}
