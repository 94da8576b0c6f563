package procpool

import (
	"encoding/binary"
	"testing"

	"github.com/futures-go/futures/internal/arena"
	"github.com/futures-go/futures/internal/shm"
	"github.com/futures-go/futures/internal/taskring"
)

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
	f.Cleanup(func() {
		_ = ring.Close()
		_ = blocks.Close()
	})
	r := &pulls{pool: &Pool{arena: blocks}, ring: ring}
	const size, kind, slot = 64, 72, 2 * 4096 // see package taskring
	memory := ring.Region().Bytes()[slot:]
	lent := &job{}
	lent.block, _ = blocks.Alloc(1000)
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
