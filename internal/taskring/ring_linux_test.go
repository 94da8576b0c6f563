package taskring

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// wrap is a first ticket shortly before the 40 bits that words have for it overflow.
const wrap = 1<<ticketBits - 1000

func newRing(t testing.TB, slots, workers int) *Ring {
	t.Helper()
	r, err := New(slots, workers, wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func attach(t testing.TB, r *Ring, number int) *Worker {
	t.Helper()
	r.Enlist(number)
	w, err := attachTo(t, r, number)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.bell.Close()
		_ = w.region.Close()
	})
	return w
}

// attachTo attaches to duplicates of the ring's descriptors.
func attachTo(t testing.TB, r *Ring, number int) (*Worker, error) {
	t.Helper()
	region, err := unix.FcntlInt(uintptr(r.Region().FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	bell, err := unix.FcntlInt(uintptr(r.Bell().FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Attach(region, bell, number)
	if err != nil {
		_ = unix.Close(bell)
	}
	return w, err
}

func publish(r *Ring, n uint64) Ticket {
	payload := binary.LittleEndian.AppendUint64(nil, n)
	return r.Publish(&Task{Function: 7, Length: 8}, payload)
}

// run completes a claim with twice the number in it.
func run(w *Worker, c *Claim) {
	w.Begin(c)
	n := binary.LittleEndian.Uint64(c.Payload[:])
	binary.LittleEndian.PutUint64(w.Inline(c), 2*n)
	w.Complete(c, 3, 8)
}

// TestEachOnce: R1, R3 and R4, over the overflow of tickets, with workers that run, a
// parent that withdraws at random, and nobody who wakes a worker but by WakeWorker.
func TestEachOnce(t *testing.T) {
	const workers, total = 3, 20_000
	r := newRing(t, 8, workers)
	var wg sync.WaitGroup
	for i := range workers {
		w := attach(t, r, i)
		wg.Go(func() {
			var c Claim
			for w.Next(&c) {
				if c.Function != 7 || c.Length != 8 {
					t.Errorf("claimed %+v", c.Task)
				}
				run(w, &c)
			}
		})
	}
	type entry struct {
		n      uint64
		ticket Ticket
		done   bool
	}
	var mu sync.Mutex // feed
	bySlot := make([]*entry, 8)
	var finished, withdrawn int
	take := func() (any bool) {
		for i := range workers {
			for {
				slot, ok, err := r.Next(i)
				if err != nil {
					t.Error(err)
				}
				if !ok {
					break
				}
				kind, length, inline := r.Result(slot)
				mu.Lock()
				e := bySlot[slot]
				if got := binary.LittleEndian.Uint64(inline); e == nil || e.done || got != 2*e.n || kind != 3 || length != 8 {
					t.Fatalf("R1: slot %d: %+v, result %d of kind %d and length %d", slot, e, got, kind, length)
				}
				e.done = true
				bySlot[slot] = nil
				finished++
				r.Free(slot)
				mu.Unlock()
				any = true
			}
		}
		return any
	}
	ready := func() bool {
		for i := range workers {
			if r.Ready(i) {
				return true
			}
		}
		return false
	}
	random := rand.New(rand.NewPCG(1, 2))
	for n := uint64(0); n < total; {
		mu.Lock()
		for r.Room() && n < total {
			e := &entry{n: n}
			e.ticket = publish(r, n)
			bySlot[e.ticket.Slot] = e
			n++
			if random.IntN(4) == 0 {
				if r.Withdraw(e.ticket) {
					bySlot[e.ticket.Slot] = nil
					r.Free(e.ticket.Slot)
					withdrawn++
				} else if w, _ := r.Owner(e.ticket); w < 0 {
					// Taken already, or R1 is broken; the count at the end tells.
					runtime.Gosched()
				}
			}
			r.WakeWorker()
		}
		mu.Unlock()
		if !take() && n < total {
			if r.Queued() == 0 && withdrawn+finished == int(n) {
				continue // all withdrawn
			}
			if err := r.Sleep(ready); err != nil {
				t.Fatal(err)
			}
		}
	}
	for finished+withdrawn < total {
		if !take() {
			if err := r.Sleep(ready); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r.Queued() != 0 {
		t.Errorf("%d queued at the end", r.Queued())
	}
	for i := range workers {
		r.Retire(i)
	}
	wg.Wait()
	t.Logf("%d finished, %d withdrawn", finished, withdrawn)
}

// TestBury: R2 and R3: what a dead worker had, by how far it had got.
func TestBury(t *testing.T) {
	r := newRing(t, 8, 2)
	w := attach(t, r, 1)
	var c [4]Claim
	for i := range c {
		publish(r, uint64(i))
		if !w.claim(&c[i]) {
			t.Fatal("nothing to claim")
		}
	}
	publish(r, 99) // never claimed
	w.Begin(&c[1])
	run(w, &c[2])
	// c[3] is done, and the worker dies before it says so.
	w.Begin(&c[3])
	w.slot[c[3].slot].state.Store(stateOf(c[3].ticket, 2, statusDone))

	if slot, ok, err := r.Next(1); !ok || err != nil || slot != c[2].slot {
		t.Errorf("R3: completion %d, %v, %v", slot, ok, err)
	}
	want := map[int]Lost{
		c[0].slot: {c[0].slot, false, false},
		c[1].slot: {c[1].slot, true, false},
		c[3].slot: {c[3].slot, true, true},
	}
	lost := r.Bury(1)
	for _, l := range lost {
		if want[l.Slot] != l {
			t.Errorf("R2: lost %+v, want %+v", l, want[l.Slot])
		}
		r.Free(l.Slot)
	}
	if len(lost) != len(want) || len(r.Bury(1)) != 0 {
		t.Errorf("R2: %d lost", len(lost))
	}
	if r.Queued() != 1 {
		t.Errorf("%d queued", r.Queued())
	}
}

// TestTombstones: withdrawn tasks do not keep new ones out.
func TestTombstones(t *testing.T) {
	r := newRing(t, 4, 1)
	for i := range 100 {
		if !r.Room() {
			t.Fatalf("no room after %d withdrawn", i)
		}
		if ticket := publish(r, uint64(i)); r.Withdraw(ticket) {
			r.Free(ticket.Slot)
		}
	}
	for i := range 4 {
		if !r.Room() {
			t.Fatalf("room for %d only", i)
		}
		publish(r, uint64(i))
	}
	if r.Room() || r.Queued() != 4 || r.Pending() != 4 {
		t.Errorf("room %v, %d queued, %d pending", r.Room(), r.Queued(), r.Pending())
	}
}

// TestNonsense: R5.
func TestNonsense(t *testing.T) {
	r := newRing(t, 8, 2)
	w := attach(t, r, 0)
	for _, v := range []uint64{slotMask, 7, 0} {
		sequence := r.taken[0].Load()
		w.done[sequence&r.mask].Store(sequence&ticketMask<<slotBits | v)
		if slot, ok, err := r.Next(0); ok || !errors.Is(err, ErrCorrupt) {
			t.Errorf("completion of slot %d gave %d, %v, %v", v, slot, ok, err)
		}
	}
	if _, err := newLayout(r.region, 1<<30, 1); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	if _, err := newLayout(r.region, 8, 1000); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// TestWantRoom: a claim rings for a parent that waits for room.
func TestWantRoom(t *testing.T) {
	r := newRing(t, 8, 1)
	w := attach(t, r, 0)
	publish(r, 1)
	var claimed atomic.Bool
	r.WantRoom()
	var wg sync.WaitGroup
	wg.Go(func() {
		var c Claim
		w.Next(&c)
		claimed.Store(true)
	})
	if err := r.Bell().Wait(); err != nil {
		t.Error(err)
	}
	if r.Queued() != 0 {
		t.Error("rung before the claim")
	}
	wg.Wait()
}

// BenchmarkRoundTrip asks what a task costs between two goroutines, without a process
// switch: publish, claim, complete, take.
func BenchmarkRoundTrip(b *testing.B) {
	r := newRing(b, 64, 1)
	w := attach(b, r, 0)
	var c Claim
	for b.Loop() {
		publish(r, 1)
		w.claim(&c)
		run(w, &c)
		slot, _, _ := r.Next(0)
		r.Free(slot)
	}
}
