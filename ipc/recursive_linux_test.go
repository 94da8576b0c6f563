package ipc_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	doing["rlock"] = func(ctx context.Context, in deed) (int, error) {
		for range max(in.N, 1) {
			if err := in.Recursive.Lock(ctx, me); err != nil {
				return in.Recursive.Depth(me), err
			}
		}
		return in.Recursive.Depth(me), nil
	}
	doing["runlock"] = func(_ context.Context, in deed) (int, error) { return 0, in.Recursive.Unlock(me) }
	doing["rtrylock"] = func(_ context.Context, in deed) (int, error) { return number(in.Recursive.TryLock(me)), nil }
	doing["rlocked"] = func(_ context.Context, in deed) (int, error) {
		if in.Recursive.Locked() != strings.Contains(in.Recursive.String(), "process") {
			return 0, errors.New(in.Recursive.String())
		}
		return in.Recursive.Owner(), nil
	}
}

func TestRecursiveMutex(t *testing.T) {
	p := newPeer(t)
	pid := p.must(deed{Do: "pid"})

	t.Run("LK-02 an owner locks it again, and unlocks it as often", func(t *testing.T) {
		m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
		me, you := ipc.NewOwner(), ipc.NewOwner()
		for depth := 1; depth <= 3; depth++ {
			ok(t, "lock", m.Lock(t.Context(), me))
			if m.Depth(me) != depth || m.Depth(you) != 0 {
				t.Error(m.Depth(me), m.Depth(you), depth)
			}
		}
		if !m.TryLock(me) || m.TryLock(you) || p.must(deed{Do: "rtrylock", Recursive: m}) != 0 {
			t.Error("TryLock")
		}
		wantError(t, "another owner", m.Unlock(you), ipc.ErrNotLocked)
		for range 4 {
			if m.TryLock(you) {
				t.Error("free too early")
			}
			ok(t, "unlock", m.Unlock(me))
		}
		wantError(t, "one too many", m.Unlock(me), ipc.ErrNotLocked)
		if p.must(deed{Do: "rlock", Recursive: m, N: 5}) != 5 || m.TryLock(me) {
			t.Error("not theirs")
		}
		for range 5 {
			p.must(deed{Do: "runlock", Recursive: m})
		}
		if !m.TryLock(you) {
			t.Error("not free")
		}
		ok(t, "unlock", m.Unlock(you))
	})

	t.Run("LK-05 Locked and Owner, also of another process", func(t *testing.T) {
		m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
		if m.Locked() || m.String() != "RecursiveMutex(free)" {
			t.Error(m)
		}
		p.must(deed{Do: "rlock", Recursive: m, N: 2})
		if !m.Locked() || m.Owner() != pid {
			t.Error(m, pid)
		}
		p.must(deed{Do: "runlock", Recursive: m})
		if !m.Locked() {
			t.Error("free after one of two")
		}
		p.must(deed{Do: "runlock", Recursive: m})
		if m.Locked() {
			t.Error(m)
		}
		owner := ipc.NewOwner()
		ok(t, "lock", m.Lock(t.Context(), owner))
		if got := p.must(deed{Do: "rlocked", Recursive: m}); got != os.Getpid() {
			t.Error(got)
		}
		ok(t, "unlock", m.Unlock(owner))
	})

	t.Run("LK-31 LK-32 a killed process frees it, whatever the depth; nobody else can", func(t *testing.T) {
		m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
		p := newPeer(t)
		p.must(deed{Do: "rlock", Recursive: m, N: 3})
		owner := ipc.NewOwner()
		wantError(t, "unlock", m.Unlock(owner), ipc.ErrNotLocked)
		wantError(t, "mark", m.MarkConsistent(owner), ipc.ErrNotLocked)
		wantError(t, "lock", m.Lock(ended(), owner), context.Canceled)
		got := make(chan error)
		go func() { got <- m.Lock(t.Context(), owner) }()
		p.kill()
		wantError(t, "next owner", <-got, ipc.ErrOwnerDied)
		wantError(t, "again", m.Lock(t.Context(), owner), ipc.ErrOwnerDied)
		if m.Depth(owner) != 2 || !m.Suspect() {
			t.Error(m.Depth(owner))
		}
		ok(t, "mark", m.MarkConsistent(owner))
		ok(t, "unlock", m.Unlock(owner))
		ok(t, "unlock", m.Unlock(owner))
		ok(t, "With", m.With(t.Context(), owner, func(died bool) error {
			if died || m.Depth(owner) != 1 {
				t.Error(died, m.Depth(owner))
			}
			return nil
		}))
	})
}

func TestRecursiveMutexWaits(t *testing.T) {
	p := newPeer(t)
	m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
	owner := ipc.NewOwner()
	ok(t, "lock", m.Lock(ended(), owner))
	_, err := p.do(deed{Do: "rlock", Recursive: m, Patient: 3 * time.Millisecond})
	wantError(t, "in time", err, context.DeadlineExceeded)
	got := make(chan error)
	go func() { got <- m.Lock(t.Context(), ipc.NewOwner()) }()
	ok(t, "close", m.Close())
	wantError(t, "waiting", <-got, ipc.ErrClosed)
	wantError(t, "lock", m.Lock(t.Context(), owner), ipc.ErrClosed)
	wantError(t, "unlock", m.Unlock(owner), ipc.ErrClosed)
	if m.TryLock(owner) || m.Locked() || m.Suspect() || m.Depth(owner) != 0 {
		t.Error("a closed one is of use")
	}
}

// TestOwners: the numbers of owners go round, and never are 0.
func TestOwners(t *testing.T) {
	before := ipc.SetOwners(1<<31 - 2)
	defer ipc.SetOwners(before)
	m := made[*ipc.RecursiveMutex](t)(ipc.NewRecursiveMutex())
	a, b, c := ipc.NewOwner(), ipc.NewOwner(), ipc.NewOwner() // 2^31-1, then 1 and 2
	for _, owner := range []*ipc.Owner{a, b, c} {
		ok(t, "lock", m.Lock(t.Context(), owner))
		if m.Depth(owner) != 1 {
			t.Error(m.Depth(owner))
		}
		ok(t, "unlock", m.Unlock(owner))
	}
	ok(t, "lock", m.Lock(t.Context(), a))
	if m.Depth(b) != 0 || m.Depth(c) != 0 {
		t.Error("owners are not told apart")
	}
	ok(t, "unlock", m.Unlock(a))
}
