package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	doing["barrier"] = func(ctx context.Context, in deed) (int, error) {
		index := 0
		for range max(in.N, 1) {
			var err error
			if index, err = in.Barrier.Wait(ctx); err != nil {
				return index, err
			}
		}
		return index, nil
	}
	doing["abort"] = func(_ context.Context, in deed) (int, error) { return 0, in.Barrier.Abort() }
	doing["reset"] = func(_ context.Context, in deed) (int, error) { return 0, in.Barrier.Reset() }
	doing["broken"] = func(_ context.Context, in deed) (int, error) {
		return number(in.Barrier.Broken()), nil
	}
	// N rounds in step: what all write before a passage, all see after it.
	doing["lockstep"] = func(ctx context.Context, in deed) (int, error) {
		// The counter is an unbounded semaphore: each adds one in each round.
		for round := range in.N {
			if err := in.Semaphore.Release(1); err != nil {
				return round, err
			}
			if _, err := in.Barrier.Wait(ctx); err != nil {
				return round, err
			}
			if got, want := in.Semaphore.Available(), (round+1)*in.Barrier.Parties(); got != want {
				return round, fmt.Errorf("round %d: %d, want %d", round, got, want)
			}
			if _, err := in.Barrier.Wait(ctx); err != nil {
				return round, err
			}
		}
		return in.N, nil
	}
}

func newBarrier(t testing.TB, opts ipc.BarrierOptions) *ipc.Barrier {
	return made[*ipc.Barrier](t)(ipc.NewBarrier(opts))
}

// crowd has parties in two other processes and this one wait, each once, and returns what
// each got. The barrier is for so many.
func crowd(t *testing.T, peers []*peer, here int, in deed) (indices []int, errs []error) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := func(index int, err error) {
		mu.Lock()
		defer mu.Unlock()
		indices, errs = append(indices, index), append(errs, err)
	}
	for _, p := range peers {
		wg.Go(func() { got(p.do(in)) })
	}
	for range here {
		wg.Go(func() { got(doing[in.Do](t.Context(), in)) })
	}
	wg.Wait()
	return indices, errs
}

func TestBarrier(t *testing.T) {
	peers := []*peer{newPeer(t), newPeer(t)}
	lockstep := func(t *testing.T, rounds int) {
		defer ipc.NearWrap(7)()
		b := newBarrier(t, ipc.BarrierOptions{Parties: 5})
		s := newSemaphore(t, 0, true)
		_, errs := crowd(t, peers, 3, deed{Do: "lockstep", N: rounds, Barrier: b, Semaphore: s})
		ok(t, "lockstep", errors.Join(errs...))
		if b.Waiting() != 0 || b.Broken() {
			t.Error(b)
		}
	}
	t.Run("LK-21 parties pass in step", func(t *testing.T) { lockstep(t, 1); lockstep(t, 10) })
	t.Run("LK-30 500 rounds of two passages", func(t *testing.T) { lockstep(t, 500) })

	t.Run("LK-22 each party gets another index", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 6})
		for range 20 {
			indices, errs := crowd(t, peers, 4, deed{Do: "barrier", Barrier: b})
			ok(t, "wait", errors.Join(errs...))
			slices.Sort(indices)
			if !slices.Equal(indices, []int{0, 1, 2, 3, 4, 5}) {
				t.Fatal(indices)
			}
		}
	})
	t.Run("LK-23 the action runs once in each passage, before it", func(t *testing.T) {
		var acted, passed atomic.Int32
		action := func() error {
			if passed.Load()%4 != 0 {
				t.Error("after a party has passed")
			}
			acted.Add(1)
			return nil
		}
		b := newBarrier(t, ipc.BarrierOptions{Parties: 4, Action: action})
		c := newBarrier(t, ipc.BarrierOptions{Parties: 4}) // all have counted
		const rounds = 50
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range rounds {
					if _, err := b.Wait(t.Context()); err != nil {
						t.Error(err)
					}
					passed.Add(1)
					if _, err := c.Wait(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if acted.Load() != rounds {
			t.Error(acted.Load())
		}
		// An action that fails breaks the barrier.
		mine := errors.New("mine")
		b.SetAction(func() error { return mine })
		_, errs := crowd(t, nil, 4, deed{Do: "barrier", Barrier: b})
		failed, broken := 0, 0
		for _, err := range errs {
			failed += number(errors.Is(err, mine))
			broken += number(errors.Is(err, ipc.ErrBrokenBarrier))
		}
		if failed != 1 || broken != 3 || !b.Broken() {
			t.Error(errs)
		}
		// So does one that panics.
		ok(t, "reset", b.Reset())
		b.SetAction(func() error { panic("mine") })
		one := newBarrier(t, ipc.BarrierOptions{Parties: 1, Action: func() error { panic(mine) }})
		func() {
			defer func() {
				if recover() != mine {
					t.Error("no panic")
				}
			}()
			_, _ = one.Wait(t.Context())
		}()
		if !one.Broken() {
			t.Error(one)
		}
		// One that comes while another acts waits for the next round.
		acting, goOn := make(chan struct{}), make(chan struct{})
		one.SetAction(func() error { close(acting); <-goOn; return nil })
		ok(t, "reset", one.Reset())
		got := make(chan error, 2)
		wait := func() { _, err := one.Wait(t.Context()); got <- err }
		go wait()
		<-acting
		one.SetAction(nil)
		go wait()
		_, err := one.Wait(ended())
		wantError(t, "while another acts", err, context.Canceled)
		close(goOn)
		ok(t, "acted", <-got)
		ok(t, "the next", <-got)
	})
	t.Run("LK-24 abort", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 4})
		go func() {
			eventually(t, "three wait", func() bool { return b.Waiting() == 3 })
			ok(t, "abort", b.Abort())
		}()
		_, errs := crowd(t, peers, 1, deed{Do: "barrier", Barrier: b})
		for _, err := range errs {
			wantError(t, "abort", err, ipc.ErrBrokenBarrier)
		}
		if !b.Broken() || b.Waiting() != 0 || b.String() != "Barrier(broken)" || peers[0].must(deed{Do: "broken", Barrier: b}) != 1 {
			t.Error(b)
		}
		_, err := b.Wait(t.Context())
		wantError(t, "wait", err, ipc.ErrBrokenBarrier)
		ok(t, "abort again", b.Abort())
	})
	t.Run("LK-25 reset throws out who waits, and it is as new", func(t *testing.T) {
		defer ipc.NearWrap(2)()
		b := newBarrier(t, ipc.BarrierOptions{Parties: 3})
		for range 4 {
			go func() {
				eventually(t, "two wait", func() bool { return b.Waiting() == 2 })
				ok(t, "reset", b.Reset())
			}()
			_, errs := crowd(t, peers, 0, deed{Do: "barrier", Barrier: b})
			for _, err := range errs {
				wantError(t, "reset", err, ipc.ErrBrokenBarrier)
			}
			_, errs = crowd(t, peers, 1, deed{Do: "barrier", Barrier: b})
			ok(t, "after it", errors.Join(errs...))
			peers[0].must(deed{Do: "abort", Barrier: b})
			peers[1].must(deed{Do: "reset", Barrier: b})
			ok(t, "a reset that nobody needs", b.Reset())
		}
		if b.Broken() || b.String() != "Barrier(0 of 3)" {
			t.Error(b)
		}
	})
	t.Run("LK-27 a wait that ends breaks it for all", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 4})
		got := make(chan error)
		go func() { _, err := b.Wait(t.Context()); got <- err }()
		eventually(t, "one waits", func() bool { return b.Waiting() == 1 })
		_, err := peers[0].do(deed{Do: "barrier", Barrier: b, Patient: 2 * time.Millisecond})
		wantError(t, "itself", err, context.DeadlineExceeded)
		wantError(t, "itself", err, ipc.ErrBrokenBarrier)
		wantError(t, "another", <-got, ipc.ErrBrokenBarrier)
		_, err = peers[1].do(deed{Do: "barrier", Barrier: b})
		wantError(t, "one that comes later", err, ipc.ErrBrokenBarrier)
	})
	t.Run("LK-28 the default timeout", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 2, Timeout: 2 * time.Millisecond})
		_, err := peers[0].do(deed{Do: "barrier", Barrier: b})
		wantError(t, "in another process", err, context.DeadlineExceeded)
		wantError(t, "in another process", err, ipc.ErrBrokenBarrier)
		ok(t, "reset", b.Reset())
		_, err = b.Wait(t.Context())
		wantError(t, "here", err, ipc.ErrBrokenBarrier)
	})
	t.Run("LK-29 one party never waits", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 1})
		for range 100 {
			index, err := b.Wait(ended())
			ok(t, "wait", err)
			if index != 0 {
				t.Error(index)
			}
		}
		peers[0].must(deed{Do: "barrier", Barrier: b, N: 100})
	})
	t.Run("LK-31 a process that dies while it waits breaks it", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 3})
		p := newPeer(t)
		got := make(chan error)
		p.begin(deed{Do: "barrier", Barrier: b})
		go func() { _, err := b.Wait(t.Context()); got <- err }()
		eventually(t, "two wait", func() bool { return b.Waiting() == 2 })
		p.kill()
		wantError(t, "after a death", <-got, ipc.ErrBrokenBarrier)
		ok(t, "reset", b.Reset())
		_, errs := crowd(t, peers, 1, deed{Do: "barrier", Barrier: b, N: 3})
		ok(t, "after it", errors.Join(errs...))
		// One that has passed may die.
		eventually(t, "another process", func() bool { _, err := p.do(deed{Do: "pid"}); return err == nil })
		last := p.begin(deed{Do: "barrier", Barrier: b})
		_, errs = crowd(t, peers, 0, deed{Do: "barrier", Barrier: b})
		_, err := last.Result(t.Context())
		ok(t, "pass", errors.Join(append(errs, err)...))
		p.kill()
		e := newSemaphore(t, 1, false)
		eventually(t, "another process", func() bool { _, err := p.do(deed{Do: "available", Semaphore: e}); return err == nil })
		_, errs = crowd(t, peers, 1, deed{Do: "barrier", Barrier: b})
		ok(t, "after a death that does not matter", errors.Join(errs...))
	})
	t.Run("closed", func(t *testing.T) {
		b := newBarrier(t, ipc.BarrierOptions{Parties: 5})
		go func() {
			eventually(t, "four wait", func() bool { return b.Waiting() == 4 })
			ok(t, "close", b.Close())
		}()
		_, errs := crowd(t, peers, 2, deed{Do: "barrier", Barrier: b})
		for _, err := range errs {
			wantError(t, "closed", err, ipc.ErrClosed)
		}
		for _, err := range []error{b.Abort(), b.Reset()} {
			wantError(t, "closed", err, ipc.ErrClosed)
		}
		if b.Broken() || b.Parties() != 0 || b.Waiting() != 0 {
			t.Error(b)
		}
		for _, opts := range []ipc.BarrierOptions{{}, {Parties: -1}, {Parties: 1 << 16}, {Parties: 1, Timeout: -1}} {
			if _, err := ipc.NewBarrier(opts); err == nil {
				t.Error(opts)
			}
		}
	})
}

// TestBarrierLog: who waits hears how its round ended, however many have ended since.
func TestBarrierLog(t *testing.T) {
	defer ipc.NearWrap(30)()
	b := newBarrier(t, ipc.BarrierOptions{Parties: 3})
	for _, rounds := range []int{0, 1, 63, 64, 100} {
		if !ipc.BrokeAfter(b, true, rounds) {
			t.Errorf("a round that broke counts as passed %d breaks later", rounds)
		}
		if broke := ipc.BrokeAfter(b, false, rounds); broke != (rounds >= 64) {
			t.Errorf("a round that passed counts as broken %t, %d breaks later", broke, rounds)
		}
	}
}

func init() {
	// All wait, some not for long; who hears of a break resets. Each life counts which
	// indices it got.
	parties["barrier"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		for n := 0; going(ctx, in); n++ {
			wait, cancel := ctx, context.CancelFunc(func() {})
			if n%64 == 63 {
				wait, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(4)*rand.IntN(1000))*time.Microsecond)
			}
			index, err := in.Barrier.Wait(wait)
			cancel()
			switch {
			case errors.Is(err, ipc.ErrBrokenBarrier):
				// Only if nobody else has: or each throws out those who came after the
				// other's.
				if !in.Barrier.Broken() {
					break
				}
				if err := in.Barrier.Reset(); err != nil && !errors.Is(err, ipc.ErrClosed) {
					return n, err
				}
			case errors.Is(err, ipc.ErrClosed):
				return n, nil
			case err != nil:
				return n, err
			default:
				own := lifeWord + 3*in.Life + index
				setWord(marks, own, word(marks, own)+1)
			}
		}
		return 0, in.Barrier.Close()
	}
}

// TestBarrierStorm: L6: nobody waits for one that has died, and in each passage each index is
// one party's.
func TestBarrierStorm(t *testing.T) { storms(t, barrierStorm) }

func barrierStorm(t *testing.T, kills int, env ...string) {
	b := newBarrier(t, ipc.BarrierOptions{Parties: 3})
	path, marks := newMarks(t, 8*3*lifeWords(kills))
	died := storm(t, 3, kills, party{Kind: "barrier", Path: path, Barrier: b}, marks, env...)
	var got [3]int
	for i := range len(marks)/8 - lifeWord {
		got[i%3] += int(word(marks, lifeWord+i))
	}
	t.Logf("%v passages, %d died", got, died)
	if slices.Max(got[:])-slices.Min(got[:]) > died {
		t.Errorf("%v parties got each index, and %d died", got, died)
	}
}
