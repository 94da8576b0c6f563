package family

import (
	"cmp"
	"context"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/futures-go/futures/internal/assert"
)

// allocator gives out blocks and places in the table of objects. What it knows is in the
// region, under a lock there. After the death of who had the lock the lists of free blocks
// are made anew (FA7).
type allocator struct {
	family *Family
	member *member
	guard  Lock
}

func (f *Family) allocator(m *member) *allocator {
	return &allocator{f, m, m.lockAt(offAlloc)}
}

// lockPatience is how long the lock is waited for before it is asked whether its owner lives.
const lockPatience = 20 * time.Millisecond

func (a *allocator) lock() error {
	suspect, ok := a.guard.TryLock()
	for !ok {
		ctx, cancel := context.WithTimeout(context.Background(), lockPatience)
		var err error
		suspect, err = a.guard.Lock(ctx)
		cancel()
		if ok = err == nil; ok {
			break
		}
		// The warden itself may be waiting here, over another death, for one who has died
		// meanwhile.
		if owner, _ := a.guard.Owner(); a.family.ended(owner) {
			a.guard.Bury(Member{Number: numberOf(owner), Owner: owner}, true)
		}
	}
	if suspect {
		a.rebuild()
		a.guard.Trust()
	}
	return nil
}

func (a *allocator) unlock() { _ = a.guard.Unlock() } // it is ours, unless the memory is corrupt

// bury frees the lock if a dead member had it.
func (a *allocator) bury(dead Member) { a.guard.Bury(dead, true) }

// place takes a free place for an object that this member creates.
func (a *allocator) place(kind uint8) (index, generation uint32, err error) {
	f := a.family
	hint := f.word(offEntryHint).Load()
	for i := range uint64(MaxObjects) {
		index := uint32((hint + i) % MaxObjects)
		word := f.objectWord(index, objState)
		state := word.Load()
		if state&0xff != objectFree {
			continue
		}
		f.word(offEntryHint).Store(uint64(index) + 1)
		generation := uint32(state >> 16)
		f.objectWord(index, objBlock).Store(0)
		f.objectWord32(index, objCreator).Store(a.member.owner)
		f.raise(offObjectMark, uint64(index)+1)
		word.Store(objectState(generation, kind, objectCreating))
		return index, generation, nil
	}
	return 0, 0, fmt.Errorf("family: %w: %d is the most", ErrFull, MaxObjects)
}

// alloc gives a block to an object.
func (a *allocator) alloc(index uint32, size int) (off, class int, err error) {
	f := a.family
	class = classOf(size)
	for range 2 {
		if off := a.pop(class); off > 0 {
			a.give(index, off, class)
			return off, class, nil
		}
		// Blocks are aligned to their size, up to a MiB.
		align := 1 << min(class, 20)
		bump := (int(f.word(offBump).Load()) + align - 1) &^ (align - 1)
		if class <= largestClass && bump >= offBlocks && bump <= f.region.Size()-1<<class {
			assert.Reach("allocating")
			a.give(index, bump, class)
			f.word(offBump).Store(uint64(bump + 1<<class))
			return bump, class, nil
		}
		a.rebuild() // small blocks that lie side by side become large ones
	}
	f.objectWord(index, objState).Store(objectState(uint32(f.objectWord(index, objState).Load()>>16), 0, objectFree))
	return 0, 0, fmt.Errorf("family: %w: none for %d bytes", ErrFull, size)
}

func (a *allocator) give(index uint32, off, class int) {
	f := a.family
	f.objectWord(index, objClass).Store(uint64(class))
	f.objectWord(index, objSize).Store(0)
	f.objectWord(index, objBlock).Store(uint64(off))
}

// pop takes a free block of a class, splitting a larger one if need be. It returns 0 if there
// is none.
func (a *allocator) pop(class int) int {
	f := a.family
	for c := class; c <= min(class+4, largestClass); c++ {
		head := f.word(offFree + c*8)
		off := head.Load()
		if off == 0 {
			continue
		}
		if !a.sound(off, c) {
			head.Store(0) // written over; the next rebuild finds what there was
			continue
		}
		head.Store(f.word(int(off)).Load())
		for half := c - 1; half >= class; half-- {
			a.push(int(off)+1<<half, half)
		}
		return int(off)
	}
	return 0
}

// sound reports whether there can be a block (FA5).
func (a *allocator) sound(off uint64, class int) bool {
	return off >= offBlocks && off%(1<<min(class, 20)) == 0 && a.family.region.CheckRange(off, 1<<class) == nil
}

func (a *allocator) push(off, class int) {
	f := a.family
	f.word(off).Store(f.word(offFree + class*8).Load())
	f.word(offFree + class*8).Store(uint64(off))
}

// free takes the block of an object back.
func (a *allocator) free(index uint32) {
	f := a.family
	off, class := f.objectWord(index, objBlock).Load(), int(f.objectWord(index, objClass).Load())
	f.objectWord(index, objBlock).Store(0)
	if off == 0 || class < smallestClass || class > largestClass || !a.sound(off, class) {
		return
	}
	if class >= largeClass {
		_ = f.region.Punch(int(off), 1<<class)
	}
	a.push(int(off), class)
}

// rebuild makes the lists of free blocks from the table of objects.
func (a *allocator) rebuild() {
	f := a.family
	type block struct{ off, end int }
	var used []block
	end := offBlocks
	for index := range uint32(f.marked(offObjectMark, MaxObjects)) {
		if f.objectWord(index, objState).Load()&0xff == objectFree {
			continue
		}
		off, class := f.objectWord(index, objBlock).Load(), int(f.objectWord(index, objClass).Load())
		if off == 0 || class < smallestClass || class > largestClass || !a.sound(off, class) {
			continue
		}
		used = append(used, block{int(off), int(off) + 1<<class})
		end = max(end, int(off)+1<<class)
	}
	slices.SortFunc(used, func(a, b block) int { return cmp.Compare(a.off, b.off) })
	for class := smallestClass; class <= largestClass; class++ {
		f.word(offFree + class*8).Store(0)
	}
	// What was given out beyond the end may have been written, and counts as new from now on.
	if bump := f.word(offBump).Load(); bump > uint64(end) && f.region.CheckRange(uint64(end), bump-uint64(end)) == nil {
		_ = f.region.Punch(end, int(bump)-end)
	}
	f.word(offBump).Store(uint64(end))
	at := offBlocks
	for _, b := range used {
		for at < b.off {
			// The largest block that begins here and is aligned.
			class := min(bits.TrailingZeros(uint(at)), bits.Len(uint(b.off-at))-1, largestClass)
			if class < smallestClass {
				break
			}
			if class >= largeClass {
				_ = f.region.Punch(at, 1<<class)
			}
			a.push(at, class)
			at += 1 << class
		}
		at = max(at, b.end)
	}
}
