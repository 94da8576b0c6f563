package taskring

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// scribbles are writes into a region, of which each takes 12 bytes of data: where, and what.
func scribbles(data []byte, memory []byte) {
	for ; len(data) >= 12; data = data[12:] {
		at := int(binary.LittleEndian.Uint32(data)) % (len(memory) - 8) &^ 7
		copy(memory[at:at+8], data[4:12])
	}
}

func scribble(at int, what uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint32(nil, uint32(at)), what)
}

// seedScribbles are what is known to matter: a head that is far away in either direction, words
// of the order and of completions, states, bits of workers that there are not.
func seedScribbles(f *testing.F) {
	for _, head := range []uint64{0, 1, wrap - 1, wrap + 1<<20, 1 << 63, 1<<63 + wrap + 5, ^uint64(0)} {
		f.Add(scribble(offHead, head))
	}
	f.Add(scribble(offParked, ^uint64(0)))
	f.Add(scribble(offSpinning, ^uint64(0)))
	f.Add(scribble(offControl+ctlCurrent, 99))
	const orderAt = offControl + 2*controlSize
	f.Add(scribble(orderAt+wrap%8*8, wrap<<slotBits|slotMask))
	f.Add(append(scribble(orderAt+8*8, wrap<<slotBits|slotMask), scribble(orderAt+8*8+wrap%8*8, wrap<<slotBits|1)...))
	for status := range uint64(9) {
		f.Add(scribble(2*4096, stateOf(wrap, 2, status)))
		f.Add(append(scribble(2*4096, stateOf(wrap, 2, status)), scribble(2*4096+72, ^uint64(0))...))
	}
}

// FuzzParent: R5: whatever is written into the memory, none of the parent's methods panics,
// hangs, or returns a number that is out of its range.
func FuzzParent(f *testing.F) {
	seedScribbles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		const slots, workers = 8, 2
		r := newRing(t, slots, workers)
		r.Enlist(0)
		r.Enlist(1)
		var tickets []Ticket
		for n := range uint64(4) {
			tickets = append(tickets, publish(r, n))
		}
		scribbles(data, r.Region().Bytes())
		if n := r.Pending(); n < 0 || n > slots {
			t.Errorf("R5: %d pending", n)
		}
		if n := r.Queued(); n < 0 || n > slots {
			t.Errorf("R5: %d queued", n)
		}
		r.HeadSound()
		r.Room()
		r.WakeWorker()
		r.WakeAll()
		for _, ticket := range tickets {
			r.Sound(ticket)
			r.Adrift(ticket)
			r.Began(ticket)
			if w, _ := r.Owner(ticket); w >= 0xffff {
				t.Errorf("R5: owner %d", w)
			}
			if slot := r.SlotOf(ticket.ID()); slot != ticket.Slot {
				t.Errorf("ticket of slot %d says %d", ticket.Slot, slot)
			}
		}
		inRange := func(slot int) {
			if slot < -1 || slot >= slots {
				t.Fatalf("R5: slot %d", slot)
			}
		}
		for w := range workers {
			inRange(r.Current(w))
			r.Ready(w)
			for range 2 * slots {
				slot, ok, _ := r.Next(w)
				if !ok {
					break
				}
				inRange(slot)
				r.Result(slot)
				r.Progress(slot)
			}
			for _, l := range r.Bury(w) {
				inRange(l.Slot)
			}
		}
		r.Seize(tickets[0], 1)
		r.Withdraw(tickets[1])
	})
}

// FuzzWorker: whatever is written into the memory, a worker that claims returns, with a payload
// within bounds, or says in a panic that the memory is corrupt, which ends its process.
func FuzzWorker(f *testing.F) {
	seedScribbles(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		r := newRing(t, 8, 2)
		w := attach(t, r, 1)
		for n := range uint64(4) {
			publish(r, n)
		}
		scribbles(data, r.Region().Bytes())
		defer func() {
			if v := recover(); v != nil && !strings.HasPrefix(fmt.Sprint(v), "taskring: ") {
				panic(v)
			}
		}()
		var c Claim
		for range 16 {
			if !w.claim(&c) {
				return
			}
			w.Begin(&c)
			w.Progress(&c, 1)
			w.Complete(&c, 0, 0)
		}
	})
}

// FuzzAttach: a worker refuses memory whose head is nonsense, and does not fault on it.
func FuzzAttach(f *testing.F) {
	f.Add(uint64(magic), uint32(8), uint32(2), 1)
	f.Add(uint64(magic), uint32(1<<31), uint32(2), 1)
	f.Add(uint64(magic), uint32(1<<20), uint32(1024), 1023)
	f.Add(uint64(0), uint32(8), uint32(2), -1)
	f.Fuzz(func(t *testing.T, word uint64, slots, workers uint32, number int) {
		r := newRing(t, 8, 2)
		r.Region().Uint64(0).Store(word)
		r.Region().Uint32(offSlots).Store(slots)
		r.Region().Uint32(offWorkers).Store(workers)
		w, err := attachTo(t, r, number)
		if err != nil {
			return
		}
		if len(w.order) != int(slots) || w.workers != int(workers) || number >= int(workers) {
			t.Errorf("attached as worker %d of %d to %d slots", number, workers, slots)
		}
		_ = w.bell.Close()
		_ = w.region.Close()
	})
}
