package procpool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/taskring"
)

var bounce = futures.Define("test.bounce", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })

// TestIdlePoolGivesMemoryBack: the memory in which large values have travelled goes with the
// idle workers.
func TestIdlePoolGivesMemoryBack(t *testing.T) {
	p, err := New(Options{Workers: 1, IdleTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 3 {
		if b, err := bounce.Submit(t.Context(), p, make([]byte, 8<<20)).Result(t.Context()); len(b) != 8<<20 || err != nil {
			t.Fatalf("%d bytes, %v", len(b), err)
		}
		for p.arena.Stats().Warm > 0 || len(p.Inspect().Workers) > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// stumble fails on its first attempt.
var stumble = futures.Define("test.stumble", func(ctx context.Context, b []byte) (int, error) {
	if attempt, _ := Attempt(ctx); attempt == 1 {
		return 0, errors.New("first attempt")
	}
	return len(b), nil
})

// TestBlocksComeBack: whatever becomes of tasks with large arguments, no block is left when
// the pool is closed.
func TestBlocksComeBack(t *testing.T) {
	p, err := New(Options{Workers: 2, Queue: 1000})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	big := make([]byte, 10_000)
	var fs []*futures.Future[int]
	for i := range 300 {
		f := stumble.Submit(ctx, p, big, futures.Retry(futures.RetryPolicy{Max: 1}), futures.Priority(i%3))
		if i%5 == 0 {
			f.Cancel()
			continue
		}
		fs = append(fs, f)
	}
	lengths, err := futures.Gather(ctx, fs...)
	if err != nil || slices.Min(lengths) != len(big) {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if f := bounce.Submit(ctx, p, big); !errors.Is(f.Err(), futures.ErrClosed) {
		t.Errorf("got %v", f.Err())
	}
	if s := p.arena.Stats(); s.Blocks > 0 {
		t.Errorf("%+v", s)
	}
}

// TestManyPools: a program may have had any number of pools: what one leaves behind of this
// process's addresses, of which there are 128 TiB, is little.
func TestManyPools(t *testing.T) {
	addresses := func() (pages int) {
		statm, err := os.ReadFile("/proc/self/statm")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Sscan(string(statm), &pages)
		return pages
	}
	const pools = 30
	before := addresses()
	for range pools {
		p, err := New(Options{Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, shared := p.transport.(*pulls); !shared {
			t.Fatal("no shared memory")
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left := (addresses() - before) * os.Getpagesize() / pools; left > 1<<30 {
		t.Errorf("%d bytes of addresses are left of each pool", left)
	}
}

// FuzzClaim: what a worker reads from shared memory of a task that it has claimed is within
// the memory, or an error.
func FuzzClaim(f *testing.F) {
	region, err := shm.Create("procpool-test", 1<<16)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = region.Unmap() })
	s := &server{arena: region}
	f.Add(uint32(0), uint32(0), uint64(8), uint64(0), uint64(0))
	f.Add(uint32(taskring.InBlock), uint32(2), uint64(5000), uint64(4096), uint64(8192))
	f.Add(uint32(taskring.InBlock), uint32(2), uint64(5000), uint64(1<<63), uint64(1<<63))
	f.Add(uint32(taskring.InBlock), uint32(2), ^uint64(0), uint64(0), uint64(1<<16))
	f.Add(uint32(0), ^uint32(0), uint64(taskring.Inline), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, flags, contextSize uint32, length, block, size uint64) {
		c := &taskring.Claim{Task: taskring.Task{Flags: flags, Context: contextSize, Length: length, Block: block, Size: size}}
		payload, lent, err := s.payload(c)
		if err != nil {
			return
		}
		if uint64(len(payload)) != length || uint64(contextSize) > length || uint64(len(lent)) != size {
			t.Errorf("%d bytes and a block of %d for %+v", len(payload), len(lent), c.Task)
		}
		sum := byte(0)
		for _, b := range payload {
			sum += b
		}
		_ = sum
	})
}

// FuzzResult: PP7: what the parent reads from shared memory of a completed task's result is
// within the memory, or an error.
func FuzzResult(f *testing.F) {
	ring, err := taskring.New(8, 1, 0)
	if err != nil {
		f.Fatal(err)
	}
	blocks, err := arena.New("procpool-test", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	lent := &job{}
	lent.block, _ = blocks.Alloc(1000)
	f.Cleanup(func() {
		_ = ring.Close()
		blocks.Free(lent.block)
		_ = blocks.Close()
	})
	r := &pulls{pool: &Pool{arena: blocks}, ring: ring}
	const size, kind, slot = 64, 72, 2 * 4096 // see package taskring
	memory := ring.Region().Bytes()[slot:]
	f.Add(uint64(10), uint32(resultValue), false)
	f.Add(uint64(1000), uint32(resultValue)|resultInBlock, true)
	f.Add(uint64(1)<<63, uint32(resultError)|resultInBlock, true)
	f.Add(uint64(5), uint32(resultInBlock), false)
	f.Add(uint64(5), ^uint32(0), true)
	f.Fuzz(func(t *testing.T, length uint64, k uint32, hasBlock bool) {
		binary.LittleEndian.PutUint64(memory[size:], length)
		binary.LittleEndian.PutUint32(memory[kind:], k)
		j := &job{}
		if hasBlock {
			j = lent
		}
		got, payload, err := r.result(j, 0)
		if err != nil {
			return
		}
		if got >= resultKinds || uint64(len(payload)) != length || k&^resultInBlock != uint32(got) {
			t.Errorf("kind %d and %d bytes of kind %#x and %d", got, len(payload), k, length)
		}
	})
}
