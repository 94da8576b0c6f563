package wake

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func newBell(t *testing.T) *Bell {
	t.Helper()
	b, err := NewBell()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// rung reports whether the bell keeps a ring, and takes it.
func rung(t *testing.T, b *Bell) bool {
	t.Helper()
	var buf [8]byte
	_, err := unix.Read(b.FD(), buf[:])
	if err != nil && err != unix.EAGAIN {
		t.Fatal(err)
	}
	return err == nil
}

// W2: a ring is kept, several count as one, and none is invented.
func TestBellKeepsOneRing(t *testing.T) {
	b := newBell(t)
	for range 3 {
		for range 5 {
			b.Ring()
		}
		if err := b.Wait(); err != nil {
			t.Fatal(err)
		}
		if rung(t, b) {
			t.Error("five rings let two waits go")
		}
	}
}

// W3: a counter that is full neither blocks a ring nor hides it.
func TestBellCounterFull(t *testing.T) {
	b := newBell(t)
	for _, add := range []uint64{math.MaxUint64 - 2, math.MaxUint64 - 1} {
		full := binary.NativeEndian.AppendUint64(nil, add)
		if _, err := unix.Write(b.FD(), full); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			b.Ring()
		}
		if err := b.Wait(); err != nil {
			t.Fatal(err)
		}
		if rung(t, b) {
			t.Error("a ring is left")
		}
	}
}

// A peer that switches the descriptor, which is shared, to blocking mode stops
// neither a goroutine's processor nor the garbage collector: Wait goes on as before.
func TestWaitOnBlockingDescriptor(t *testing.T) {
	b := newBell(t)
	waited := make(chan error)
	go func() {
		for range 3 {
			waited <- b.Wait()
		}
	}()
	for range 3 { // before the bell is in the poller, and after
		if err := unix.SetNonblock(b.FD(), false); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			runtime.GC()
		}
		b.Ring()
		if err := <-waited; err != nil {
			t.Fatal(err)
		}
	}
}

func TestBellDoesNotAllocate(t *testing.T) {
	b := newBell(t)
	b.Ring()
	if err := b.Wait(); err != nil { // makes the ear
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		b.Ring()
		if err := b.Wait(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a ring and wait", n)
	}
}

// W4: a thousand waiters, hardly a thread. Close releases all of them.
func TestBellWaitersHoldNoThreads(t *testing.T) {
	const waiters = 1000
	bells := make([]*Bell, 10)
	for i := range bells {
		bells[i] = newBell(t)
	}
	before := threads(t)
	ended := make(chan error, waiters)
	var started sync.WaitGroup
	for i := range waiters {
		started.Add(1)
		go func() {
			started.Done()
			ended <- bells[i%len(bells)].Wait()
		}()
	}
	started.Wait()
	for range 10 {
		runtime.GC() // lets all of them reach their wait
	}
	if after := threads(t); after > before+8 {
		t.Errorf("%d threads, before %d", after, before)
	}
	for _, b := range bells {
		b.Ring()
	}
	for range bells {
		if err := <-ended; err != nil {
			t.Errorf("Wait after a ring: %v", err)
		}
	}
	for _, b := range bells {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	for range waiters - len(bells) {
		if err := <-ended; !errors.Is(err, os.ErrClosed) {
			t.Errorf("Wait after Close: %v", err)
		}
	}
}

func threads(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "\nThreads:\t")
	number, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.Atoi(number)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A descriptor is not closed under a ring: its number could already be another
// file's, which would then be written to.
func TestRingDuringClose(t *testing.T) {
	for range 200 {
		b := newBell(t)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 3 {
			wg.Go(func() {
				<-start
				for range 50 {
					b.Ring()
				}
			})
		}
		wg.Go(func() {
			<-start
			_ = b.Wait()
		})
		close(start)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		other := newBell(t) // most often the same number
		wg.Wait()
		if rung(t, other) {
			t.Fatal("another bell was rung")
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestBellAfterClose(t *testing.T) {
	b := newBell(t)
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	b.Ring()
	if err := b.Wait(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	if _, err := b.File(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("File: %v", err)
	}
	if fd := b.FD(); fd != -1 {
		t.Errorf("FD = %d", fd)
	}
}

func TestOpenBell(t *testing.T) {
	b := newBell(t)
	fd, err := unix.Dup(b.FD()) // without close-on-exec, like an inherited one
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenBell(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	again.Ring()
	if err := b.Wait(); err != nil {
		t.Error(err)
	}
	file, err := b.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, fd := range []int{b.FD(), again.FD(), int(file.Fd())} {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor %d is not close-on-exec: %v", fd, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("descriptor %d blocks: %v", fd, err)
		}
	}
}

func TestOpenBellRefuses(t *testing.T) {
	blocking, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{"blocking": blocking, "pipe": pipe[0], "its other end": pipe[1]} {
		if _, err := OpenBell(fd); err == nil {
			t.Errorf("%s: opened", name)
		}
		if err := unix.Close(fd); err != nil {
			t.Errorf("%s: the caller's descriptor after a refusal: %v", name, err)
		}
	}
	if _, err := OpenBell(1 << 20); !errors.Is(err, unix.EBADF) {
		t.Errorf("no descriptor: %v", err)
	}
}
