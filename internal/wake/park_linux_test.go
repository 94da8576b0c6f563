package wake

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ways are the two ways to sleep.
var ways = []struct {
	name string
	side makeSide
}{{"futex", sideFutex}, {"bell", sideBell}}

func (t *table) side(make makeSide, max time.Duration) *side {
	return make(&t.board.parked, &t.board.peerParked, t.mine, t.theirs, max)
}

// W1: no wake-up is lost between two processes, with and without spinning. One that
// is lost hangs the test. The counters pass their wrap-around.
func TestPingPong(t *testing.T) {
	for _, way := range ways {
		for _, max := range []time.Duration{0, DefaultSpin} {
			t.Run(way.name+"/spin="+max.String(), func(t *testing.T) {
				rounds := 100_000
				if max == 0 || testing.Short() {
					rounds = 10_000 // up to 60 us each when both have to be woken
				}
				game := newTable(t)
				game.board.ping.Store(-uint64(rounds / 2))
				game.board.pong.Store(-uint64(rounds / 2))
				game.max = max
				game.start(t, "pong-"+way.name)
				game.play(t, game.side(way.side, max), rounds)
			})
		}
	}
}

// A peer that is killed while it sleeps, or at any other moment, leaves nothing that
// stops its successor.
func TestPeerKilledWhileParked(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			game := newTable(t)
			me := game.side(way.side, 0)
			for i := range 6 {
				p := game.start(t, "pong-"+way.name)
				game.play(t, me, 1+random.IntN(50))
				if i%2 == 0 {
					for game.board.peerParked.Load() == 0 {
						runtime.Gosched()
					}
				}
				p.kill(t)
				me.wake() // a corpse: nobody hears it
				if game.board.peerParked.Load() != 0 {
					t.Error("the announcement of a corpse is still there")
				}
			}
		})
	}
}

// A waker that dies between taking the announcement and ringing takes the wake-up
// along. Whoever learns of the death rings, and nothing is lost.
func TestPeerKilledBeforeRinging(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			game := newTable(t)
			me := game.side(way.side, 0)
			for range 5 {
				p := game.start(t, "swallow")
				var dead atomic.Bool
				var slept sync.WaitGroup
				slept.Go(func() {
					if err := me.sleep(dead.Load); err != nil {
						t.Error(err)
					}
				})
				_ = p.cmd.Wait() // it kills itself
				dead.Store(true)
				if game.board.parked.Swap(0); way.name == "futex" {
					FutexWake(&game.board.parked, 1)
				} else {
					game.mine.Ring()
				}
				slept.Wait()
			}
		})
	}
}

func TestPeerKilledWhileRinging(t *testing.T) {
	game := newTable(t)
	for range 5 {
		p := game.start(t, "ring")
		start := game.board.pong.Load()
		for game.board.pong.Load()-start < 1000 {
			if err := game.mine.Wait(); err != nil {
				t.Fatal(err)
			}
		}
		p.kill(t)
		game.mine.Ring()
		if err := game.mine.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// Many wakers, one waiter, no kills, since those would ring and hide a lost wake-up
// (W1). Each value is taken exactly once.
func TestSleepTorture(t *testing.T) {
	const wakers, each = 4, 5000
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			game := newTable(t)
			me := game.side(way.side, 0)
			wake := me.wake
			if way.name == "futex" {
				wake = func() { Wake(&game.board.parked) }
			} else {
				wake = func() { game.mine.Wake(&game.board.parked) }
			}
			var posted atomic.Uint32
			start := ^uint32(0) - wakers*each/2
			posted.Store(start)
			var wg sync.WaitGroup
			for range wakers {
				wg.Go(func() {
					for i := range each {
						posted.Add(1)
						wake()
						if i%64 == 0 {
							runtime.Gosched()
						}
					}
				})
			}
			for seen := start; seen-start < wakers*each; seen = posted.Load() {
				if err := me.sleep(func() bool { return posted.Load() != seen }); err != nil {
					t.Fatal(err)
				}
			}
			wg.Wait()
		})
	}
}

// W3: who finds no announcement makes no system call; here, it rings no bell.
func TestWakeNobody(t *testing.T) {
	game := newTable(t)
	if Wake(&game.board.parked) || game.mine.Wake(&game.board.parked) {
		t.Error("woke somebody")
	}
	if rung(t, game.mine) {
		t.Error("rang for nobody")
	}
	game.board.parked.Store(1)
	if !game.mine.Wake(&game.board.parked) || !rung(t, game.mine) || game.board.parked.Load() != 0 {
		t.Error("did not take the announcement and ring")
	}
}

// A wait that fails takes its announcement back.
func TestSleepOnClosedBell(t *testing.T) {
	game := newTable(t)
	slept := make(chan error)
	go func() { slept <- game.mine.Sleep(&game.board.parked, func() bool { return false }) }()
	for game.board.parked.Load() == 0 {
		runtime.Gosched()
	}
	if err := game.mine.Close(); err != nil {
		t.Error(err)
	}
	if err := <-slept; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Sleep: %v", err)
	}
	if game.board.parked.Load() != 0 {
		t.Error("the announcement is still there")
	}
	if err := game.mine.Sleep(&game.board.parked, func() bool { return true }); err != nil {
		t.Errorf("Sleep with nothing to wait for: %v", err)
	}
}
