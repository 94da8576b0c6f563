package ipc_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	// The other side of the benchmarks; N is how often.
	doing["lock often"] = func(_ context.Context, in deed) (int, error) {
		for range in.N {
			in.Mutex.Lock()
			in.Mutex.Unlock() //lint:ignore SA2001 this is what is measured
		}
		return in.N, nil
	}
	doing["relay"] = func(ctx context.Context, in deed) (int, error) {
		for range in.N { // takes a signal here and gives it there
			if err := in.Semaphore.Acquire(ctx, 1); err != nil {
				return 0, err
			}
			if err := in.Other.Release(1); err != nil {
				return 0, err
			}
		}
		return in.N, nil
	}
	doing["take turns"] = func(ctx context.Context, in deed) (int, error) {
		m := in.Cond.Mutex()
		m.Lock()
		defer m.Unlock()
		for range in.N {
			if err := in.Cond.Notify(1); err != nil {
				return 0, err
			}
			if err := in.Cond.Wait(ctx); err != nil {
				return 0, err
			}
		}
		return in.N, in.Cond.Notify(1)
	}
}

// BenchmarkMutex: what does a lock cost that nobody else wants, beside sync.Mutex and CPython's?
func BenchmarkMutex(b *testing.B) {
	b.Run("uncontended", func(b *testing.B) {
		m := made[*ipc.Mutex](b)(ipc.NewMutex())
		for b.Loop() {
			m.Lock()
			m.Unlock() //lint:ignore SA2001 this is what is measured
		}
	})
	b.Run("sync.Mutex", func(b *testing.B) {
		var m sync.Mutex
		for b.Loop() {
			m.Lock()
			m.Unlock() //lint:ignore SA2001 this is what is measured
		}
	})
	b.Run("recursive", func(b *testing.B) {
		m := made[*ipc.RecursiveMutex](b)(ipc.NewRecursiveMutex())
		for b.Loop() {
			_ = m.Lock(b.Context(), me)
			_ = m.Unlock(me)
		}
	})
	b.Run("two processes", func(b *testing.B) {
		m := made[*ipc.Mutex](b)(ipc.NewMutex())
		p, q := newPeer(b), newPeer(b)
		p.must(deed{Do: "lock often", Mutex: m, N: 1})
		q.must(deed{Do: "lock often", Mutex: m, N: 1})
		b.ResetTimer()
		other := p.begin(deed{Do: "lock often", Mutex: m, N: b.N / 2})
		q.must(deed{Do: "lock often", Mutex: m, N: b.N / 2})
		_, err := other.Result(b.Context())
		ok(b, "other", err)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "M/s")
	})
	b.Run("CPython", func(b *testing.B) {
		cpython(b, `
import multiprocessing, sys, time
l, n = multiprocessing.Lock(), int(sys.argv[1])
t = time.perf_counter()
for _ in range(n):
    l.acquire(); l.release()
print((time.perf_counter() - t) / n * 1e9)
`)
	})
}

// BenchmarkDeadOwner: how long does a lock of a killed process take to reach the next owner?
func BenchmarkDeadOwner(b *testing.B) {
	m := made[*ipc.Mutex](b)(ipc.NewMutex())
	var samples []time.Duration
	p := newPeer(b)
	for range max(b.N, 100) {
		for {
			if _, err := p.do(deed{Do: "lock", Mutex: m}); err == nil || errors.Is(err, ipc.ErrOwnerDied) {
				break
			}
		}
		got := make(chan time.Time)
		go func() { _ = m.LockContext(b.Context()); got <- time.Now() }()
		eventually(b, "it waits", func() bool { return parked(1, "(*Mutex).LockContext") })
		began := time.Now()
		p.kill()
		samples = append(samples, (<-got).Sub(began))
		m.MarkConsistent()
		m.Unlock()
	}
	reportSamples(b, samples)
}

// BenchmarkBarrier: how long is a round of two processes?
func BenchmarkBarrier(b *testing.B) {
	p := newPeer(b)
	bar := newBarrier(b, ipc.BarrierOptions{Parties: 2})
	f := p.begin(deed{Do: "barrier", Barrier: bar, N: b.N})
	eventually(b, "it waits", func() bool { return bar.Waiting() == 1 })
	b.ResetTimer()
	for range b.N {
		if _, err := bar.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	_, err := f.Result(b.Context())
	ok(b, "other", err)
}

// BenchmarkSemaphore: a permit that nobody else wants, and a signal there and back.
func BenchmarkSemaphore(b *testing.B) {
	b.Run("uncontended", func(b *testing.B) {
		s := newSemaphore(b, 4, false)
		for b.Loop() {
			_ = s.Acquire(b.Context(), 1)
			_ = s.Release(1)
		}
	})
	b.Run("round trip", func(b *testing.B) {
		p := newPeer(b)
		to, from := newSemaphore(b, 0, true), newSemaphore(b, 0, true)
		f := p.begin(deed{Do: "relay", Semaphore: to, Other: from, N: b.N + 1})
		for i := range b.N + 1 {
			ok(b, "there", to.Release(1))
			ok(b, "back", from.Acquire(b.Context(), 1))
			if i == 0 {
				b.ResetTimer()
			}
		}
		_, err := f.Result(b.Context())
		ok(b, "other", err)
	})
}

// BenchmarkCond: how long does it take to wake another process, and be woken by it?
func BenchmarkCond(b *testing.B) {
	p := newPeer(b)
	c := newCond(b)
	m := c.Mutex()
	m.Lock()
	f := p.begin(deed{Do: "take turns", Cond: c, N: b.N})
	ok(b, "the first", c.Wait(b.Context()))
	b.ResetTimer()
	for range b.N {
		ok(b, "notify", c.Notify(1))
		ok(b, "wait", c.Wait(b.Context()))
	}
	m.Unlock()
	_, err := f.Result(b.Context())
	ok(b, "other", err)
}
