package wake

import (
	"errors"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

func TestFutexWaitReturnsAtOnce(t *testing.T) {
	var word atomic.Uint32
	word.Store(math.MaxUint32)
	for _, timeout := range []time.Duration{-1, 0, time.Hour} {
		if err := FutexWait(&word, 0, timeout); err != nil {
			t.Errorf("timeout %v: %v", timeout, err)
		}
	}
	for _, timeout := range []time.Duration{0, time.Millisecond} {
		start := time.Now()
		err := FutexWait(&word, math.MaxUint32, timeout)
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) < timeout {
			t.Errorf("after %v of %v: %v", time.Since(start), timeout, err)
		}
	}
	for _, n := range []int{math.MinInt, -1, 0, 1, math.MaxInt} {
		if got := FutexWake(&word, n); got != 0 {
			t.Errorf("FutexWake(%d) with nobody waiting = %d", n, got)
		}
	}
}

// The key is the memory, not its address. The values pass their wrap-around.
func TestFutexAcrossMappings(t *testing.T) {
	game := newTable(t)
	file, err := game.region.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = file.Close()
	elsewhere, err := shm.Open(fd, boardLen)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = elsewhere.Unmap() }()
	here, there := game.region.Uint32(0), elsewhere.Uint32(0)
	start := ^uint32(100)
	here.Store(start)
	var wg sync.WaitGroup
	wg.Go(func() {
		for seen := start; seen != start+201; seen = there.Load() {
			if err := FutexWait(there, seen, -1); err != nil {
				t.Error(err)
			}
		}
	})
	for range 201 {
		here.Add(1)
		FutexWake(here, 1)
	}
	wg.Wait()
}

// FutexWake wakes as many as it is told and counts them.
func TestFutexWakeCounts(t *testing.T) {
	var word atomic.Uint32
	var released atomic.Int32
	const waiters = 6
	var wg sync.WaitGroup
	for range waiters {
		wg.Go(func() {
			if err := FutexWait(&word, 0, -1); err != nil {
				t.Error(err)
			}
			released.Add(1)
		})
	}
	woken := FutexWake(&word, 0)
	for woken < 4 {
		n := FutexWake(&word, 2)
		if n > 2 {
			t.Fatalf("woke %d of 2", n)
		}
		woken += n
		runtime.Gosched()
	}
	for released.Load() < waiters { // the rest, some of whom may not sleep yet
		FutexWake(&word, math.MaxInt)
		runtime.Gosched()
	}
	wg.Wait()
}

// A waiting thread does not stop the garbage collector, and its signals do not end
// the wait early.
func TestFutexWaitDuringGC(t *testing.T) {
	var word atomic.Uint32
	done := make(chan error)
	go func() {
		for word.Load() == 0 {
			if err := FutexWait(&word, 0, time.Hour); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 20 {
		runtime.GC()
	}
	word.Store(1)
	FutexWake(&word, 1)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFutexMisusePanics(t *testing.T) {
	region, err := shm.Create("gone", 1)
	if err != nil {
		t.Fatal(err)
	}
	word := region.Uint32(0)
	if err := region.Unmap(); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"FutexWait": func() { _ = FutexWait(word, 0, 0) },
		"FutexWake": func() { FutexWake(word, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s on memory that is gone did not panic", name)
				}
			}()
			f()
		}()
	}
}
