package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	// N goroutines sleep, each once. It returns how many were notified.
	doing["sleep"] = func(ctx context.Context, in deed) (int, error) {
		return together(ctx, max(in.N, 1), func(ctx context.Context, _ int) error {
			m := in.Cond.Mutex()
			if err := m.LockContext(ctx); err != nil {
				return err
			}
			err := in.Cond.Wait(ctx)
			if err := m.Release(); err != nil {
				return err
			}
			return err
		})
	}
	doing["notify"] = func(ctx context.Context, in deed) (int, error) {
		return 0, in.Cond.Mutex().With(ctx, func(bool) error { return in.Cond.Notify(in.N) })
	}
	doing["wait for"] = func(ctx context.Context, in deed) (int, error) {
		m := in.Cond.Mutex()
		if err := m.LockContext(ctx); err != nil {
			return 0, err
		}
		defer m.Unlock()
		err := in.Cond.WaitFor(ctx, func() bool { return in.Semaphore.Available() == in.N })
		return in.Semaphore.Available(), err
	}
}

func newCond(t testing.TB) *ipc.Cond { return made[*ipc.Cond](t)(ipc.NewCond(nil)) }

func notify(t testing.TB, c *ipc.Cond, n int) {
	t.Helper()
	c.Mutex().Lock()
	defer c.Mutex().Unlock()
	if n < 0 {
		ok(t, "notify", c.NotifyAll())
		return
	}
	ok(t, "notify", c.Notify(n))
}

func TestCond(t *testing.T) {
	peers := []*peer{newPeer(t), newPeer(t)}
	sleepers := func(c *ipc.Cond, n int) func() bool { return func() bool { return c.Sleepers() == n } }

	t.Run("LK-11 LK-13 each notification wakes one", func(t *testing.T) {
		defer ipc.NearWrap(6)()
		c := newCond(t)
		for range 5 {
			var wg sync.WaitGroup
			for _, p := range peers {
				wg.Go(func() {
					if n, err := p.do(deed{Do: "sleep", Cond: c, N: 2}); n != 2 {
						t.Error(n, err)
					}
				})
			}
			wg.Go(func() {
				if n, err := doing["sleep"](t.Context(), deed{Cond: c, N: 2}); n != 2 {
					t.Error(n, err)
				}
			})
			eventually(t, "all sleep", sleepers(c, 6))
			for left := 5; left >= 4; left-- {
				notify(t, c, 1)
				eventually(t, "one less sleeps", sleepers(c, left))
			}
			notify(t, c, 2)
			eventually(t, "two less sleep", sleepers(c, 2))
			// What is more than there are sleepers is forgotten.
			notify(t, c, 5)
			wg.Wait()
			notify(t, c, 3)
			wg.Go(func() { _, _ = peers[0].do(deed{Do: "sleep", Cond: c}) })
			eventually(t, "it sleeps", sleepers(c, 1))
			notify(t, c, 0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			n, err := doing["sleep"](ctx, deed{Cond: c, N: 2})
			cancel()
			wantError(t, "nobody notified these", err, context.DeadlineExceeded)
			if n != 0 || c.Sleepers() != 1 {
				t.Error(n, c.Sleepers())
			}
			notify(t, c, 1)
			wg.Wait()
		}
	})
	t.Run("LK-12 those who gave up leave it in order, NotifyAll wakes all", func(t *testing.T) {
		c := newCond(t)
		for range 3 {
			n, err := peers[0].do(deed{Do: "sleep", Cond: c, N: 3, Patient: time.Millisecond})
			wantError(t, "in time", err, context.DeadlineExceeded)
			if n != 0 || c.Sleepers() != 0 {
				t.Error(n, c.Sleepers())
			}
			a, b := peers[0].begin(deed{Do: "sleep", Cond: c, N: 3}), peers[1].begin(deed{Do: "sleep", Cond: c, N: 3})
			eventually(t, "all sleep", sleepers(c, 6))
			notify(t, c, -1)
			for _, f := range []interface {
				Result(context.Context) (int, error)
			}{a, b} {
				if n, err := f.Result(t.Context()); n != 3 || err != nil {
					t.Error(n, err)
				}
			}
		}
	})
	t.Run("LK-14 LK-17 a wait that ends has the lock again", func(t *testing.T) {
		c := newCond(t)
		m := c.Mutex()
		m.Lock()
		wantError(t, "wait", c.Wait(ended()), context.Canceled)
		if m.TryLock() || peers[0].must(deed{Do: "trylock", Mutex: m}) != 0 {
			t.Error("the lock is free")
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		mine := errors.New("mine")
		go cancel(mine)
		wantError(t, "wait", c.Wait(ctx), mine)
		if m.TryLock() || m.Suspect() {
			t.Error("the lock is free")
		}
		m.Unlock()
		// Notified is nil.
		f := peers[0].begin(deed{Do: "sleep", Cond: c})
		eventually(t, "it sleeps", sleepers(c, 1))
		peers[1].must(deed{Do: "notify", Cond: c, N: 1})
		_, err := f.Result(t.Context())
		ok(t, "notified", err)
	})
	t.Run("LK-15 WaitFor", func(t *testing.T) {
		c := newCond(t)
		s := newSemaphore(t, 0, true)
		f := peers[0].begin(deed{Do: "wait for", Cond: c, Semaphore: s, N: 4})
		for range 4 {
			eventually(t, "it sleeps", sleepers(c, 1))
			ok(t, "change", s.Release(1))
			notify(t, c, 1)
		}
		n, err := f.Result(t.Context())
		if n != 4 || err != nil {
			t.Error(n, err)
		}
		_, err = peers[0].do(deed{Do: "wait for", Cond: c, Semaphore: s, N: 5, Patient: time.Millisecond})
		wantError(t, "in time", err, context.DeadlineExceeded)
		// When its time is over, it looks once more.
		asked := 0
		c.Mutex().Lock()
		ok(t, "the second time", c.WaitFor(ended(), func() bool { asked++; return asked == 2 }))
		c.Mutex().Unlock()
	})
	t.Run("LK-18 without the lock nobody waits or notifies", func(t *testing.T) {
		c := newCond(t)
		peers[0].must(deed{Do: "lock", Mutex: c.Mutex()})
		for _, err := range []error{
			c.Wait(t.Context()), c.WaitFor(t.Context(), func() bool { return true }), c.Notify(1), c.NotifyAll(),
		} {
			wantError(t, "without the lock", err, ipc.ErrNotLocked)
		}
		peers[0].must(deed{Do: "unlock", Mutex: c.Mutex()})
	})
	t.Run("LK-31 the notification of one that has died goes to the next", func(t *testing.T) {
		c := newCond(t)
		p := newPeer(t)
		p.begin(deed{Do: "sleep", Cond: c, N: 2})
		eventually(t, "they sleep", sleepers(c, 2))
		next := peers[0].begin(deed{Do: "sleep", Cond: c, N: 2})
		eventually(t, "all sleep", sleepers(c, 4))
		m := c.Mutex()
		m.Lock()
		ok(t, "notify", c.Notify(2)) // those two, who cannot have the lock
		p.kill()
		eventually(t, "buried", sleepers(c, 2))
		m.Unlock()
		n, err := next.Result(t.Context())
		if n != 2 || err != nil {
			t.Error(n, err)
		}
		// Without another sleeper it is forgotten.
		eventually(t, "another process", func() bool { _, err := p.do(deed{Do: "pid"}); return err == nil })
		p.begin(deed{Do: "sleep", Cond: c})
		eventually(t, "it sleeps", sleepers(c, 1))
		m.Lock()
		ok(t, "notify", c.Notify(1))
		p.kill()
		eventually(t, "buried", sleepers(c, 0))
		wantError(t, "forgotten", c.Wait(ended()), context.Canceled)
		m.Unlock()
	})
	t.Run("LK-31 who sleeps is told that the lock's owner died", func(t *testing.T) {
		c := newCond(t)
		p := newPeer(t)
		got := make(chan error)
		go func() {
			c.Mutex().Lock()
			err := c.Wait(t.Context())
			c.Mutex().Unlock()
			got <- err
		}()
		eventually(t, "it sleeps", sleepers(c, 1))
		p.must(deed{Do: "notify and keep", Cond: c})
		p.kill()
		err := <-got
		wantError(t, "notified by a dead one", err, ipc.ErrOwnerDied)
		c.Mutex().Lock()
		defer c.Mutex().Unlock()
		err = c.Wait(ended())
		wantError(t, "still", err, ipc.ErrOwnerDied)
		wantError(t, "and ended", err, context.Canceled)
		c.Mutex().MarkConsistent()
		if err := c.Wait(ended()); errors.Is(err, ipc.ErrOwnerDied) {
			t.Error(err)
		}
	})
	t.Run("travels with its mutex", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		a, b := made[*ipc.Cond](t)(ipc.NewCond(m)), made[*ipc.Cond](t)(ipc.NewCond(m))
		f := peers[0].begin(deed{Do: "sleep", Cond: a, Mutex: m})
		eventually(t, "it sleeps", sleepers(a, 1))
		m.Lock()
		if peers[1].must(deed{Do: "trylock", Mutex: b.Mutex()}) != 0 {
			t.Error("it is another mutex")
		}
		ok(t, "notify the other", b.NotifyAll())
		ok(t, "notify", a.NotifyAll())
		m.Unlock()
		_, err := f.Result(t.Context())
		ok(t, "sleep", err)
		ok(t, "close", a.Close())
		ok(t, "close", b.Close())
		ok(t, "the mutex stays", m.LockContext(t.Context()))
		m.Unlock()
		ok(t, "close", m.Close())
		_, err = ipc.NewCond(m)
		wantError(t, "for a closed mutex", err, ipc.ErrClosed)
	})
	t.Run("closed", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		c := made[*ipc.Cond](t)(ipc.NewCond(m))
		f := peers[0].begin(deed{Do: "sleep", Cond: c, N: 2})
		got := make(chan error)
		go func() {
			m.Lock()
			err := c.Wait(t.Context())
			m.Unlock()
			got <- err
		}()
		eventually(t, "all sleep", sleepers(c, 3))
		ok(t, "close", c.Close())
		wantError(t, "closed", <-got, ipc.ErrClosed)
		n, err := f.Result(t.Context())
		wantError(t, "closed", err, ipc.ErrClosed)
		if n != 0 || c.Sleepers() != 0 {
			t.Error(n)
		}
		m.Lock()
		for _, err := range []error{c.Wait(t.Context()), c.Notify(1), c.NotifyAll()} {
			wantError(t, "closed", err, ipc.ErrClosed)
		}
		m.Unlock()
		// One with a mutex of its own closes that too.
		d := newCond(t)
		own := d.Mutex()
		ok(t, "close", d.Close())
		wantError(t, "its mutex", own.LockContext(t.Context()), ipc.ErrClosed)
		wantError(t, "its mutex", d.Mutex().LockContext(t.Context()), ipc.ErrClosed)
	})
}

func init() {
	doing["notify and keep"] = func(ctx context.Context, in deed) (int, error) {
		in.Cond.Mutex().Lock()
		return 0, in.Cond.NotifyAll()
	}
}

// TestCondOrder: those who came first are woken first, also when tickets go round.
func TestCondOrder(t *testing.T) {
	defer ipc.NearWrap(10)()
	c := newCond(t)
	p := newPeer(t)
	const n = 20
	woken := make(chan int, n)
	for i := range n {
		go func() {
			c.Mutex().Lock()
			if err := c.Wait(t.Context()); err != nil {
				t.Error(err)
			}
			c.Mutex().Unlock()
			woken <- i
		}()
		eventually(t, "it sleeps", func() bool { return c.Sleepers() == i+1 })
	}
	var order []int
	for range n {
		p.must(deed{Do: "notify", Cond: c, N: 1})
		order = append(order, <-woken)
	}
	if !slices.IsSorted(order) {
		t.Error(order)
	}
}

// TestCondMany: a thousand sleep and all are woken; there is room for 4096.
func TestCondMany(t *testing.T) {
	c := newCond(t)
	const n = 1000
	p := newPeer(t)
	f := p.begin(deed{Do: "sleep", Cond: c, N: n / 2})
	here := make(chan error)
	go func() {
		_, err := doing["sleep"](t.Context(), deed{Cond: c, N: n / 2})
		here <- err
	}()
	eventually(t, "all sleep", func() bool { return c.Sleepers() == n })
	notify(t, c, -1)
	ok(t, "here", <-here)
	_, err := f.Result(t.Context())
	ok(t, "there", err)
	if ipc.CondMark(c) != 0 {
		t.Error("places are not given back:", ipc.CondMark(c))
	}
	ipc.FillCond(c)
	c.Mutex().Lock()
	wantError(t, "one too many", c.Wait(t.Context()), ipc.ErrFull)
	if c.Mutex().TryLock() {
		t.Error("without the lock")
	}
	c.Mutex().Unlock()
}

// A word of a condition's storm: under the mutex.
const (
	tokens = 0 // that may be taken
	given  = 1 // in all
)

func init() {
	// Bounded buffer without a buffer: some give tokens and notify, some wait for tokens and take
	// them. Each life counts what it has taken.
	parties["cond"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		m := in.Cond.Mutex()
		return together(ctx, 3, func(ctx context.Context, i int) error {
			for n := 0; ; n++ {
				err := m.LockContext(ctx)
				if err != nil && !errors.Is(err, ipc.ErrOwnerDied) {
					return err
				}
				repair := func() {
					m.MarkConsistent()
					setWord(marks, tokens, word(marks, given)-done(marks))
				}
				if err != nil {
					repair()
					// What the dead one was to notify of, nobody may have heard of.
					if err := in.Cond.NotifyAll(); err != nil {
						return err
					}
				}
				if !going(ctx, in) {
					_ = in.Cond.NotifyAll()
					return m.Release()
				}
				if (i+in.Life)%3 == 0 { // one of three gives
					full := word(marks, tokens) == 8
					if !full {
						setWord(marks, given, word(marks, given)+1)
						setWord(marks, tokens, word(marks, tokens)+1)
						if err := in.Cond.Notify(1); err != nil {
							return err
						}
					}
					if err := m.Release(); err != nil {
						return err
					}
					if full {
						time.Sleep(20 * time.Microsecond) // a lock that is always taken is got by luck
					}
					continue
				}
				for word(marks, tokens) == 0 && going(ctx, in) {
					wait, cancel := ctx, context.CancelFunc(func() {})
					if n%8 == 0 {
						wait, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
					}
					err := in.Cond.Wait(wait)
					cancel()
					if errors.Is(err, ipc.ErrOwnerDied) {
						repair()
						err = in.Cond.NotifyAll()
					}
					if err != nil && !errors.Is(err, context.DeadlineExceeded) {
						return fmt.Errorf("waiting: %w", err)
					}
				}
				if going(ctx, in) {
					setWord(marks, tokens, word(marks, tokens)-1)
					did(in, marks) // under the mutex
				}
				if err := m.Release(); err != nil {
					return err
				}
			}
		})
	}
}

// TestCondStorm: L5: whoever dies or gives up, tokens are taken as long as there are any, and each
// is taken once.
func TestCondStorm(t *testing.T) { storms(t, condStorm) }

func condStorm(t *testing.T, kills int, env ...string) {
	c := newCond(t)
	path, marks := newMarks(t, 8*lifeWords(kills))
	died := storm(t, 3, kills, party{Kind: "cond", Path: path, Cond: c}, marks, env...)
	told := errors.Is(c.Mutex().LockContext(t.Context()), ipc.ErrOwnerDied)
	sum := done(marks)
	if left := word(marks, tokens); sum+left != word(marks, given) && !told {
		t.Errorf("%d given, %d taken, %d left", word(marks, given), sum, left)
	}
	t.Logf("%d tokens taken, %d died", sum, died)
	eventually(t, "the dead are buried", func() bool { return c.Sleepers() == 0 })
	c.Mutex().Unlock()
}
