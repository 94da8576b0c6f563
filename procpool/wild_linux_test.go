package procpool_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// scribble writes over the memory that the workers share, as code gone wild may, and then
// returns or does not.
var scribble = futures.Define("test.scribble", func(_ context.Context, seed uint64) (int, error) {
	const ring = 5 // the descriptor: see PROTOCOL.md
	var info syscall.Stat_t
	if err := syscall.Fstat(ring, &info); err != nil {
		return 0, err
	}
	memory, err := syscall.Mmap(ring, 0, int(info.Size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return 0, err
	}
	if seed < uint64(len(wildHeads)) {
		// The head of the ring, at each moment while others move it on.
		for range 1000 {
			binary.LittleEndian.PutUint64(memory[128:], wildHeads[seed])
		}
		return os.Getpid(), nil
	}
	random := rand.New(rand.NewPCG(seed, 7))
	// What is used: the first pages, and the last.
	for range 3000 {
		at := random.IntN(1 << 16)
		if random.IntN(2) == 0 {
			at = len(memory) - 1 - random.IntN(ringEnd)
		}
		switch random.IntN(3) {
		case 0:
			memory[at] = byte(random.Uint32())
		case 1:
			memory[at] = 0
		default:
			memory[at]++
		}
	}
	return os.Getpid(), nil
})

// wildHeads are positions of the ring's head that are far from where it is.
var wildHeads = []uint64{0, 1, 1 << 40, 1<<63 + 5000, ^uint64(0)}

// ringEnd is about the size of the slots.
const ringEnd = 2048 * 256

// TestWildWrites: PP7: whatever a worker writes into the shared memory, the parent goes on,
// every future resolves, and the pool can be closed.
func TestWildWrites(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	broken := 0
	rounds := 8 + uint64(len(wildHeads))
	for round := range rounds {
		as := seed + round
		if round < uint64(len(wildHeads)) {
			as = round
		}
		p := open(t, procpool.Options{Workers: 3, Stderr: discard, Logger: quiet, KillGrace: 100 * time.Millisecond})
		var fs []futures.Handle
		for i := range 300 {
			if i == 100 {
				fs = append(fs, scribble.Submit(t.Context(), p, as))
			}
			fs = append(fs, double.Submit(t.Context(), p, i, futures.Priority(i%3)))
			if i%10 == 0 {
				p.Inspect() // which counts what is in the memory
			}
		}
		if _, pending, err := futures.Wait(t.Context(), futures.AllCompleted, fs...); len(pending) > 0 || err != nil {
			t.Fatalf("PP7: %d futures pending, %v", len(pending), err)
		}
		for _, f := range fs {
			if errors.Is(f.Err(), futures.ErrBroken) {
				broken++
				break
			}
		}
		if err := p.Close(); err != nil && !errors.Is(err, futures.ErrBroken) {
			t.Error(err)
		}
	}
	t.Logf("%d of %d pools broken", broken, rounds)
}
