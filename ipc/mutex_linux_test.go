package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	doing["lock"] = func(ctx context.Context, in deed) (int, error) { return 0, in.Mutex.LockContext(ctx) }
	doing["trylock"] = func(_ context.Context, in deed) (int, error) { return number(in.Mutex.TryLock()), nil }
	doing["unlock"] = func(_ context.Context, in deed) (int, error) { return 0, in.Mutex.Release() }
	doing["locked"] = func(_ context.Context, in deed) (int, error) {
		if in.Mutex.Locked() != strings.Contains(in.Mutex.String(), "process") {
			return 0, errors.New(in.Mutex.String())
		}
		return in.Mutex.Owner(), nil
	}
	doing["lock and close"] = func(_ context.Context, in deed) (int, error) {
		in.Mutex.Lock()
		return 0, in.Mutex.Close()
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestMutex(t *testing.T) {
	p := newPeer(t)
	pid := p.must(deed{Do: "pid"})

	t.Run("LK-01 a lock that is held is not taken, one that is free not released", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		ok(t, "lock", m.LockContext(t.Context()))
		if m.TryLock() || p.must(deed{Do: "trylock", Mutex: m}) != 0 {
			t.Error("taken twice")
		}
		ok(t, "release", m.Release())
		wantError(t, "a second release", m.Release(), ipc.ErrNotLocked)
		if !m.TryLock() {
			t.Error("a free lock was not taken")
		}
		m.Unlock()
		func() {
			defer func() {
				err, _ := recover().(error)
				wantError(t, "panic of Unlock", err, ipc.ErrNotLocked)
			}()
			m.Unlock()
		}()
	})

	t.Run("LK-03 With", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		mine := errors.New("mine")
		err := m.With(t.Context(), func(died bool) error {
			if died || m.TryLock() {
				t.Error("dead or free")
			}
			return mine
		})
		wantError(t, "With", err, mine)
		func() {
			defer func() { _ = recover() }()
			_ = m.With(t.Context(), func(bool) error { panic("mine") })
		}()
		if m.Locked() {
			t.Error("locked after a panic")
		}
	})

	t.Run("LK-04 LK-07 Locked, Owner and String, also of another process", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		if m.Locked() || m.Owner() != 0 || m.String() != "Mutex(free)" {
			t.Error(m)
		}
		p.must(deed{Do: "lock", Mutex: m})
		if !m.Locked() || m.Owner() != pid || m.String() != fmt.Sprintf("Mutex(process %d)", pid) {
			t.Error(m, pid)
		}
		p.must(deed{Do: "unlock", Mutex: m})
		m.Lock()
		if got := p.must(deed{Do: "locked", Mutex: m}); got != os.Getpid() {
			t.Error(got)
		}
		m.Unlock()
		if got := p.must(deed{Do: "locked", Mutex: m}); got != 0 {
			t.Error(got)
		}
	})

	t.Run("LK-31 the lock of a killed process reaches the next owner, who is told", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		p := newPeer(t)
		p.must(deed{Do: "lock", Mutex: m})
		got := make(chan error, 1)
		go func() { got <- m.LockContext(t.Context()) }()
		p.kill()
		wantError(t, "next owner", <-got, ipc.ErrOwnerDied)
		m.Unlock()
		if !m.Suspect() {
			t.Error("forgotten")
		}
		_, err := p.do(deed{Do: "lock", Mutex: m})
		wantError(t, "in another process", err, ipc.ErrOwnerDied)
		p.must(deed{Do: "unlock", Mutex: m})
		ok(t, "With", m.With(t.Context(), func(died bool) error {
			if !died {
				t.Error("not told")
			}
			return nil
		}))
		ok(t, "after With", m.LockContext(t.Context()))
		m.Unlock()
		defer func() {
			err, _ := recover().(error)
			wantError(t, "MarkConsistent without the lock", err, ipc.ErrNotLocked)
		}()
		m.MarkConsistent()
	})

	t.Run("LK-32 a goroutine may release the lock of its process, no other process may", func(t *testing.T) {
		m := made[*ipc.Mutex](t)(ipc.NewMutex())
		m.Lock()
		_, err := p.do(deed{Do: "unlock", Mutex: m})
		wantError(t, "another process", err, ipc.ErrNotLocked)
		done := make(chan error)
		go func() { done <- m.Release() }()
		ok(t, "another goroutine", <-done)
		// Who wants to hand over a lock between processes takes a semaphore.
		s := made[*ipc.Semaphore](t)(ipc.NewSemaphore(ipc.SemaphoreOptions{}))
		ok(t, "acquire", s.Acquire(t.Context(), 1))
		p.must(deed{Do: "release", Semaphore: s, N: 1})
		if s.Available() != 1 || s.Held() != 0 {
			t.Error(s, s.Held())
		}
	})
}

// TestMutexWaits: a wait ends with its context, and with the mutex.
func TestMutexWaits(t *testing.T) {
	p := newPeer(t)
	m := made[*ipc.Mutex](t)(ipc.NewMutex())
	ok(t, "an ended context does not matter to a free lock", m.LockContext(ended()))
	wantError(t, "ended", m.LockContext(ended()), context.Canceled)
	_, err := p.do(deed{Do: "lock", Mutex: m, Patient: 5 * time.Millisecond})
	wantError(t, "in time", err, context.DeadlineExceeded)
	got := make(chan error)
	for range 3 {
		go func() { got <- m.LockContext(context.Background()) }()
	}
	waiting := p.begin(deed{Do: "lock", Mutex: m})
	ok(t, "close", m.Close())
	ok(t, "close again", m.Close())
	for range 3 {
		wantError(t, "closed here", <-got, ipc.ErrClosed)
	}
	if _, err := waiting.Result(t.Context()); !errors.Is(err, ipc.ErrClosed) && !errors.Is(err, ipc.ErrGone) {
		t.Error(err)
	}
	wantError(t, "lock", m.LockContext(t.Context()), ipc.ErrClosed)
	wantError(t, "release", m.Release(), ipc.ErrClosed)
	if m.TryLock() || m.Locked() || m.Suspect() {
		t.Error("a closed mutex is of use")
	}
	if _, err := m.MarshalCBOR(); err == nil {
		t.Error("a closed handle travels")
	}
	wantError(t, "no handle", new(ipc.Mutex).UnmarshalCBOR([]byte("x")), ipc.ErrCorrupt)
	e := made[*ipc.Event](t)(ipc.NewEvent())
	data, err := e.MarshalCBOR()
	ok(t, "encode", err)
	wantError(t, "that of another kind", new(ipc.Mutex).UnmarshalCBOR(data), ipc.ErrMismatch)
}

// TestMutexExcludes: goroutines of three processes count under a lock.
func TestMutexExcludes(t *testing.T) {
	m := made[*ipc.Mutex](t)(ipc.NewMutex())
	path, marks := newMarks(t, 8)
	const each, goroutines = 300, 4
	tasks := countTask{Mutex: m, Path: path, Each: each, Goroutines: goroutines}
	var wg sync.WaitGroup
	for range 2 {
		p := newPeer(t)
		wg.Go(func() {
			if _, err := counting.Submit(t.Context(), p.pool, tasks).Result(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	ok(t, "here", tasks.run(t.Context(), marks))
	wg.Wait()
	if got, want := word(marks, 0), uint64(3*each*goroutines); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}
