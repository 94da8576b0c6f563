package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	doing["acquire"] = func(ctx context.Context, in deed) (int, error) {
		return in.Semaphore.Held(), in.Semaphore.Acquire(ctx, in.N)
	}
	doing["tryacquire"] = func(_ context.Context, in deed) (int, error) {
		return number(in.Semaphore.TryAcquire(in.N)), nil
	}
	doing["release"] = func(_ context.Context, in deed) (int, error) { return in.Semaphore.Held(), in.Semaphore.Release(in.N) }
	doing["held"] = func(_ context.Context, in deed) (int, error) { return in.Semaphore.Held(), nil }
	doing["available"] = func(_ context.Context, in deed) (int, error) { return in.Semaphore.Available(), nil }
}

func newSemaphore(t testing.TB, permits int, unbounded bool) *ipc.Semaphore {
	return made[*ipc.Semaphore](t)(ipc.NewSemaphore(ipc.SemaphoreOptions{Permits: permits, Unbounded: unbounded}))
}

func TestSemaphore(t *testing.T) {
	p := newPeer(t)
	t.Run("LK-08 counts down and up, and above its initial value", func(t *testing.T) {
		s := newSemaphore(t, 2, true)
		for _, want := range []int{1, 0} {
			ok(t, "acquire", s.Acquire(t.Context(), 1))
			if s.Available() != want || p.must(deed{Do: "available", Semaphore: s}) != want {
				t.Error(s, want)
			}
		}
		if s.TryAcquire(1) || p.must(deed{Do: "tryacquire", Semaphore: s, N: 1}) != 0 {
			t.Error("one too many")
		}
		for range 3 {
			ok(t, "release", s.Release(1))
			p.must(deed{Do: "release", Semaphore: s, N: 1})
		}
		if s.Available() != 6 || s.String() != "Semaphore(6)" || s.Held() != 0 {
			t.Error(s)
		}
		wantError(t, "more than there can be", s.Release(math.MaxInt32-5), ipc.ErrTooManyReleased)
		ok(t, "the most there can be", s.Release(math.MaxInt32-6))
		if !s.TryAcquire(math.MaxInt32) || s.Available() != 0 {
			t.Error(s)
		}
	})
	t.Run("LK-09 a bounded one cannot be raised", func(t *testing.T) {
		s := newSemaphore(t, 3, false)
		wantError(t, "release", s.Release(1), ipc.ErrTooManyReleased)
		ok(t, "acquire", s.Acquire(t.Context(), 2))
		p.must(deed{Do: "acquire", Semaphore: s, N: 1})
		wantError(t, "release", s.Release(4), ipc.ErrTooManyReleased)
		if s.Available() != 0 || s.Held() != 2 {
			t.Error(s, s.Held())
		}
		wantError(t, "more than there are", s.Acquire(t.Context(), 4), ipc.ErrTooLarge)
		// This process releases what the other has, too.
		ok(t, "release", s.Release(3))
		if n := p.must(deed{Do: "held", Semaphore: s}); n != 0 || s.Available() != 3 || s.Held() != 0 {
			t.Error(n, s, s.Held())
		}
		_, err := p.do(deed{Do: "release", Semaphore: s, N: 1})
		wantError(t, "in another process", err, ipc.ErrTooManyReleased)
		ok(t, "nothing", s.Acquire(t.Context(), 0))
		ok(t, "nothing", s.Release(0))
	})
	t.Run("LK-10 TryAcquire does not wait, Acquire as long as its context", func(t *testing.T) {
		s := newSemaphore(t, 0, false) // the default, 1
		ok(t, "an ended context does not matter", s.Acquire(ended(), 1))
		if s.TryAcquire(1) {
			t.Error("taken twice")
		}
		wantError(t, "ended", s.Acquire(ended(), 1), context.Canceled)
		began := time.Now()
		_, err := p.do(deed{Do: "acquire", Semaphore: s, N: 1, Patient: 5 * time.Millisecond})
		wantError(t, "in time", err, context.DeadlineExceeded)
		if took := time.Since(began); took < 5*time.Millisecond {
			t.Error(took)
		}
		waiting := p.begin(deed{Do: "acquire", Semaphore: s, N: 1})
		ok(t, "release", s.Release(1))
		_, err = waiting.Result(t.Context())
		ok(t, "woken", err)
		p.must(deed{Do: "release", Semaphore: s, N: 1})
	})
	t.Run("LK-31 a dead process gives back what it has", func(t *testing.T) {
		s := newSemaphore(t, 5, false)
		p := newPeer(t)
		p.must(deed{Do: "acquire", Semaphore: s, N: 4})
		ok(t, "release one of those", s.Release(1))
		got := make(chan error)
		go func() { got <- s.Acquire(t.Context(), 5) }()
		eventually(t, "first in line", func() bool { return !s.TryAcquire(1) || s.Release(1) != nil })
		p.kill()
		ok(t, "acquire all", <-got)
		if s.Available() != 0 || s.Held() != 5 {
			t.Error(s, s.Held())
		}
		ok(t, "release", s.Release(5))

		u := newSemaphore(t, 5, true)
		p.must(deed{Do: "acquire", Semaphore: u, N: 4}) // the next process
		p.must(deed{Do: "acquire", Semaphore: s, N: 1})
		p.kill()
		eventually(t, "buried", func() bool { return s.Available() == 5 })
		if u.Available() != 1 {
			t.Error("signals came back:", u)
		}
	})
}

// TestSemaphoreOrder: L4: who wants much waits first, and is not passed by those who want little.
func TestSemaphoreOrder(t *testing.T) {
	s := newSemaphore(t, 4, false)
	p := newPeer(t)
	ok(t, "acquire", s.Acquire(t.Context(), 1))
	big := make(chan error)
	go func() { big <- s.Acquire(t.Context(), 4) }()
	// As soon as it waits, nobody takes one of the three that are there.
	eventually(t, "it waits", func() bool { return !s.TryAcquire(1) || s.Release(1) != nil })
	if p.must(deed{Do: "tryacquire", Semaphore: s, N: 1}) != 0 {
		t.Error("passed by another process")
	}
	small := p.begin(deed{Do: "acquire", Semaphore: s, N: 1})
	ok(t, "release", s.Release(1))
	ok(t, "the big one", <-big)
	if small.State().Done() {
		t.Error("passed")
	}
	ok(t, "release", s.Release(4))
	_, err := small.Result(t.Context())
	ok(t, "the small one", err)

	// Who waits first and gives up lets the others go on.
	ctx, cancel := context.WithCancel(t.Context())
	go func() { big <- s.Acquire(ctx, 4) }()
	eventually(t, "it waits", func() bool { return !s.TryAcquire(1) || s.Release(1) != nil })
	go func() { _ = s.Acquire(t.Context(), 2); big <- nil }()
	cancel()
	errs := []error{<-big, <-big}
	if !errors.Is(errors.Join(errs...), context.Canceled) {
		t.Error(errs)
	}
	eventually(t, "two are taken", func() bool { return s.Available() == 1 })
}

func TestSemaphoreClose(t *testing.T) {
	p := newPeer(t)
	s := newSemaphore(t, 1, false)
	ok(t, "acquire", s.Acquire(t.Context(), 1))
	got := make(chan error)
	for range 3 {
		go func() { got <- s.Acquire(t.Context(), 1) }()
	}
	waiting := p.begin(deed{Do: "acquire", Semaphore: s, N: 1})
	ok(t, "close", s.Close())
	for range 3 {
		wantError(t, "closed", <-got, ipc.ErrClosed)
	}
	if _, err := waiting.Result(t.Context()); !errors.Is(err, ipc.ErrClosed) && !errors.Is(err, ipc.ErrGone) {
		t.Error(err)
	}
	wantError(t, "acquire", s.Acquire(t.Context(), 1), ipc.ErrClosed)
	wantError(t, "release", s.Release(1), ipc.ErrClosed)
	if s.TryAcquire(1) || s.Available() != 0 || s.Held() != 0 {
		t.Error(s)
	}
	for _, opts := range []ipc.SemaphoreOptions{{Permits: -1}, {Permits: math.MaxInt32 + 1}} {
		if _, err := ipc.NewSemaphore(opts); err == nil {
			t.Error(opts)
		}
	}
	for _, misuse := range []func(){func() { _ = s.Acquire(t.Context(), -1) }, func() { s.TryAcquire(-1) }, func() { _ = s.Release(-1) }} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse()
		}()
	}
}

// TestSemaphoreModel compares a bounded semaphore with the numbers that three processes have:
// L3.
func TestSemaphoreModel(t *testing.T) {
	const permits = 12
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 3))
	s := newSemaphore(t, permits, false)
	peers := []*peer{newPeer(t), newPeer(t), nil} // nil is this process
	ask := func(p *peer, what string, n int) (int, error) {
		in := deed{Do: what, Semaphore: s, N: n, Patient: time.Hour}
		if p == nil {
			return doing[what](t.Context(), in)
		}
		return p.do(in)
	}
	free := permits
	for step := range 400 {
		who, n := random.IntN(3), random.IntN(5)
		var held [3]int
		for i, p := range peers {
			held[i], _ = ask(p, "held", 0)
		}
		var err error
		switch random.IntN(8) {
		case 0, 1, 2:
			var took int
			if took, err = ask(peers[who], "tryacquire", n); took != number(n <= free) {
				t.Fatalf("seed %d, step %d: %d of %d: %d", seed, step, n, free, took)
			}
			free -= took * n
		case 3, 4, 5, 6:
			_, err = ask(peers[who], "release", n)
			if n > permits-free {
				if !errors.Is(err, ipc.ErrTooManyReleased) {
					t.Fatalf("seed %d, step %d: %v", seed, step, err)
				}
				err = nil
			} else {
				free += n
			}
			if now, _ := ask(peers[who], "held", 0); n <= permits-free && now != max(held[who]-n, 0) && now != held[who] {
				t.Fatalf("seed %d, step %d: it has %d, and had %d before it released %d", seed, step, now, held[who], n)
			}
		case 7:
			if p := peers[who]; p != nil && step%4 == 0 {
				p.kill()
				free += held[who]
				eventually(t, fmt.Sprintf("seed %d, step %d: %d are free, not %d", seed, step, free, s.Available()), func() bool { return s.Available() == free })
				p.t = t
				eventually(t, "another process", func() bool { _, err := p.do(deed{Do: "pid"}); return err == nil })
			}
		}
		if err != nil || s.Available() != free {
			t.Fatalf("seed %d, step %d: %v, want %d, %v", seed, step, s, free, err)
		}
		if out := held[0] + held[1] + held[2]; step > 0 && out > permits {
			t.Fatalf("seed %d, step %d: %v are out", seed, step, held)
		}
	}
}

func init() {
	parties["semaphore"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return together(ctx, 3, func(ctx context.Context, i int) error {
			for n := 0; going(ctx, in); n++ {
				want := 1 + rand.IntN(5)
				wait, cancel := ctx, context.CancelFunc(func() {})
				if n%9 == 0 {
					wait, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(300))*time.Microsecond)
				}
				err := in.Semaphore.Acquire(wait, want)
				cancel()
				if errors.Is(err, context.DeadlineExceeded) {
					continue
				}
				if err != nil {
					return err
				}
				if have := in.Semaphore.Held(); have < want || have > 5 {
					return fmt.Errorf("%d permits held after %d were acquired", have, want)
				}
				if n%16 == 0 {
					time.Sleep(50 * time.Microsecond)
				}
				if err := in.Semaphore.Release(want); err != nil {
					return err
				}
				if i == 0 {
					did(in, marks)
				}
			}
			return nil
		})
	}
	// Signals go round between the parties: what is there is one less for each that died
	// with one.
	parties["signals"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return together(ctx, 2, func(ctx context.Context, i int) error {
			for going(ctx, in) {
				if err := in.Semaphore.Acquire(ctx, 1); err != nil {
					return err
				}
				if err := in.Semaphore.Release(1); err != nil {
					return err
				}
				if i == 0 {
					did(in, marks)
				}
			}
			return nil
		})
	}
	// Hand-over: one goroutine acquires and another process, or goroutine, releases.
	parties["hand-over"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return together(ctx, 2, func(ctx context.Context, i int) error {
			for going(ctx, in) {
				if i == 0 {
					wait, cancel := context.WithTimeout(ctx, time.Millisecond)
					err := in.Semaphore.Acquire(wait, 1+rand.IntN(2))
					cancel()
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						return err
					}
					did(in, marks)
					continue
				}
				if err := in.Semaphore.Release(1 + rand.IntN(3)); err != nil && !errors.Is(err, ipc.ErrTooManyReleased) {
					return err
				}
			}
			return nil
		})
	}
}

// TestSemaphoreStorm: L3, L4: never are more permits out than there are, and when all have ended
// or died, all are back.
func TestSemaphoreStorm(t *testing.T) { storms(t, semaphoreStorm) }

func semaphoreStorm(t *testing.T, kills int, env ...string) {
	s := newSemaphore(t, 5, false)
	path, marks := newMarks(t, 8*lifeWords(kills))
	storm(t, 3, kills, party{Kind: "semaphore", Path: path, Semaphore: s}, marks, env...)
	ok(t, "all", s.Acquire(t.Context(), 5))
	if s.Available() != 0 {
		t.Error(s)
	}
}

func TestSemaphoreHandOverStorm(t *testing.T) { storms(t, semaphoreHandOverStorm) }

func semaphoreHandOverStorm(t *testing.T, kills int, env ...string) {
	kills /= 4
	s := newSemaphore(t, 5, false)
	path, marks := newMarks(t, 8*lifeWords(kills))
	storm(t, 3, kills, party{Kind: "hand-over", Path: path, Semaphore: s}, marks, env...)
	// Who lives on has what is not to be had, and it can be released here.
	eventually(t, "all are back", func() bool { return s.Available() == 5 || s.Release(1) == nil && false })
	wantError(t, "one more", s.Release(1), ipc.ErrTooManyReleased)
}

func TestSemaphoreSignalStorm(t *testing.T) { storms(t, semaphoreSignalStorm) }

func semaphoreSignalStorm(t *testing.T, kills int, env ...string) {
	kills /= 4
	all := 2*kills + 6
	s := newSemaphore(t, all, true)
	path, marks := newMarks(t, 8*lifeWords(kills))
	died := storm(t, 3, kills, party{Kind: "signals", Path: path, Semaphore: s}, marks, env...)
	if n := s.Available(); n > all || n < all-2*died {
		t.Errorf("%d signals of %d, and %d died", n, all, died)
	}
}
