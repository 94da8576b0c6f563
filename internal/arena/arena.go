package arena

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/shm"
)

const (
	// leastSize is the smallest region that New makes instead of one that the
	// system refuses: with less, the caller's other way serves as well.
	leastSize = 64 << 20

	// mostWarm bounds the memory of large free blocks that stays with the arena (A5).
	// To get a page and give it back costs several times what it costs to fill it
	// (BenchmarkPages), so a pool in use should do neither. 256 MiB hold the large
	// values that a pool of a few workers has in flight at a time, and are little
	// beside what the workers themselves use.
	mostWarm = 256 << 20

	// step is how much memory is asked for at once for small blocks. With 16 pages,
	// the system call is no longer a noticeable part of the cost; with more, the one
	// block that is needed waits longer for nothing.
	step = 64 << 10

	// alignFrom is the size from which blocks are page aligned, so that peers may
	// map or punch them alone.
	alignFrom = 1 << 20

	// piece is how much one call of Reserve or Punch does: they exclude each other.
	piece = 16 << 20

	// grain divides all offsets and sizes.
	grain = 256

	// A chunk holds the marks of 1<<chunkShift bytes.
	chunkShift = 20
)

// Block is an allocated range of the region. The zero Block is none.
type Block struct {
	Off int // where it begins, in bytes
	Cap int // its size in bytes, a multiple of 64; at least what was asked for
}

// Stats is a state of an arena.
type Stats struct {
	Blocks    int // allocated
	Allocated int // bytes in allocated blocks
	Warm      int // bytes that are free and backed by pages
}

// Arena is made by New. Each byte of its region is, at each time, in an allocated
// block, in a free block of a class, in the set of free spans, or in the hands of a
// method that makes or punches its pages.
type Arena struct {
	region *shm.Region // immutable; unmapped once, by who sees gone become true
	size   int         // of the region; immutable
	memory memory      // immutable: the region, or a test's
	large  int         // immutable: from this class on, a block is made of whole pages

	mu        sync.Mutex
	closed    bool             // set once, by Close
	gone      bool             // set once: closed, no block is allocated, and no method at work
	free      [classes][]freed // warm blocks, the one freed last at the end
	warmLarge int              // bytes in free, in classes from large on
	age       uint64           // counts the frees of large blocks
	spans     spans            // what is in no block; in part warm, see pages
	pages     pages            // which pages exist
	chunks    []*chunk         // the marks of allocated blocks; nil where none ever was
	stats     Stats            // but for Warm
	away      int              // bytes in the hands of methods that do not hold mu
	back      sync.Cond        // signalled when away becomes less
}

// freed is a free block of a class.
type freed struct {
	off int
	age uint64 // of a large block: when it was freed
}

// chunk has a mark for each offset where a block can begin: 0, or for an allocated
// block its class + 1.
type chunk [1 << chunkShift / grain]uint8

// memory is what an arena asks the system for.
type memory interface {
	Reserve(off, n int) error
	Punch(off, n int) error
}

// New makes an arena of a sparse region of at most size bytes. If the system refuses
// that many addresses, it tries half of that, down to 64 MiB. Only what is allocated
// costs memory. Where there is no shared memory, the error wraps
// errors.ErrUnsupported.
func New(name string, size int) (*Arena, error) {
	if size <= 0 {
		panic(fmt.Sprintf("arena: New with size %d", size))
	}
	region, err := shm.Create(name, size)
	for err != nil && size/2 >= leastSize && !errors.Is(err, errors.ErrUnsupported) {
		size /= 2
		region, err = shm.Create(name, size)
	}
	if err != nil {
		return nil, fmt.Errorf("arena: %w", err)
	}
	return newArena(region, region), nil
}

func newArena(region *shm.Region, memory memory) *Arena {
	page := shm.PageSize()
	a := &Arena{region: region, size: region.Size(), memory: memory, large: classOf(max(step, 2*page))}
	a.pages.size = page
	a.back.L = &a.mu
	a.spans.put(span{0, a.size})
	return a
}

// Region returns the region whose descriptor the peers inherit. It belongs to the
// arena.
func (a *Arena) Region() *shm.Region { return a.region }

// Alloc returns a block of at least n bytes, which belongs to the caller until Free.
// It returns false if there is no room, the system has no memory, or the arena is
// closed. It waits for nobody but other methods of this arena.
func (a *Arena) Alloc(n int) (Block, bool) {
	if n < 0 {
		panic(fmt.Sprintf("arena: Alloc of %d bytes", n))
	}
	class := classOf(n)
	if n > a.size || class >= classes {
		return Block{}, false
	}
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return Block{}, false
	}
	off, ok := a.pop(class)
	if !ok {
		off, ok = a.refill(class)
	}
	var b Block
	if ok {
		b = Block{off, sizeOf(class)}
		a.mark(b, class)
	}
	_ = a.unlock()
	return b, ok
}

// Free takes a block back, with no regard to what is in it. It panics if b is not
// allocated, as after a second Free, unless the place was allocated again.
func (a *Arena) Free(b Block) {
	class := classOf(b.Cap)
	a.mu.Lock()
	if !a.unmark(b, class) {
		a.mu.Unlock()
		panic(fmt.Sprintf("arena: Free of %+v, which is not allocated", b))
	}
	a.push(class, b.Off)
	if a.warmLarge > mostWarm {
		a.cool()
	}
	_ = a.unlock()
}

// Bytes returns the memory of an allocated block. It is valid until Free.
func (a *Arena) Bytes(b Block) []byte {
	return a.region.Bytes()[b.Off : b.Off+b.Cap : b.Off+b.Cap]
}

// View returns cap bytes at off of a region that an arena's process shares with
// others. It is for values that came from a peer, already copied out of shared
// memory: what does not lie within the region is an error that wraps shm.ErrRange.
// Whether there is such a block, only the arena knows.
func View(r *shm.Region, off, cap uint64) ([]byte, error) {
	if err := r.CheckRange(off, cap); err != nil {
		return nil, err
	}
	return r.Bytes()[off : off+cap : off+cap], nil
}

// Trim gives all pages that lie in free memory back to the system. It is meant for
// a time without work: the next blocks need new pages.
func (a *Arena) Trim() error {
	a.mu.Lock()
	defer func() { _ = a.unlock() }()
	a.merge()
	for at := 0; ; {
		if a.closed {
			return fmt.Errorf("arena: trim: %w", os.ErrClosed)
		}
		x, ok := a.takeWarm(at)
		if !ok {
			return nil
		}
		if err := a.release(x); err != nil {
			return fmt.Errorf("arena: trim: %w", err)
		}
		at = x.end()
	}
}

// Stats returns the present state.
func (a *Arena) Stats() Stats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.Warm = a.pages.bytes - s.Allocated
	return s
}

// Close gives up the region: Alloc returns false from now on. Memory and addresses go when
// the last block is freed (A8); it is then that the region must not be used any more.
func (a *Arena) Close() error {
	a.mu.Lock()
	a.closed = true
	return a.unlock()
}

// unlock is how methods leave that may be the last of a closed arena.
func (a *Arena) unlock() error {
	last := a.closed && !a.gone && a.stats.Blocks == 0 && a.away == 0
	a.gone = a.gone || last
	a.mu.Unlock()
	if !last {
		return nil
	}
	if err := a.region.Unmap(); err != nil {
		return fmt.Errorf("arena: %w", err)
	}
	return nil
}

// All methods below are called with mu held.

// mark notes that b is allocated.
func (a *Arena) mark(b Block, class int) {
	i := b.Off >> chunkShift
	if i >= len(a.chunks) {
		a.chunks = append(a.chunks, make([]*chunk, i+1-len(a.chunks))...)
	}
	if a.chunks[i] == nil {
		a.chunks[i] = new(chunk)
	}
	if assert.Enabled {
		a.checkHandedOut(b)
	}
	a.chunks[i][b.Off/grain%len(chunk{})] = uint8(class + 1)
	a.stats.Blocks++
	a.stats.Allocated += b.Cap
}

// unmark takes the mark of b away, and reports whether it was there.
func (a *Arena) unmark(b Block, class int) bool {
	i := uint(b.Off) >> chunkShift
	if b.Off%grain != 0 || i >= uint(len(a.chunks)) || a.chunks[i] == nil || b.Cap != sizeOf(class) {
		return false
	}
	mark := &a.chunks[i][b.Off/grain%len(chunk{})]
	if *mark != uint8(class+1) {
		return false
	}
	*mark = 0
	a.stats.Blocks--
	a.stats.Allocated -= b.Cap
	return true
}

// checkHandedOut panics if b, which is about to be allocated, breaks a guarantee.
func (a *Arena) checkHandedOut(b Block) {
	assert.That(a.region.CheckRange(uint64(b.Off), uint64(b.Cap)) == nil, "A1: %+v leaves the region", b)
	assert.That(a.pages.exist(span{b.Off, b.Cap}), "A2: a page of %+v was not reserved", b)
	for off := b.Off; off < b.Off+b.Cap; off += grain {
		if i := off >> chunkShift; i < len(a.chunks) && a.chunks[i] != nil {
			assert.That(a.chunks[i][off/grain%len(chunk{})] == 0, "A1: a block at %d is within %+v", off, b)
		}
	}
}

// pop takes the free block of a class that was freed last: most of it may still be
// in a processor's cache.
func (a *Arena) pop(class int) (off int, ok bool) {
	list := a.free[class]
	if len(list) == 0 {
		return 0, false
	}
	last := len(list) - 1
	a.free[class] = list[:last]
	if class >= a.large {
		a.warmLarge -= sizeOf(class)
	}
	return list[last].off, true
}

// push makes a range a free block of a class. Its pages exist.
func (a *Arena) push(class, off int) {
	if class >= a.large {
		a.warmLarge += sizeOf(class)
		a.age++
	}
	a.free[class] = append(a.free[class], freed{off, a.age})
}

// refill finds a block of a class that has no free one. It lets go of mu while the
// system works.
func (a *Arena) refill(class int) (off int, ok bool) {
	size := sizeOf(class)
	for !a.closed {
		if x, ok := a.cut(class); ok {
			if !a.reserve(x) {
				// Only what is warm can serve.
				if off, ok := a.pop(class); ok {
					return off, true
				}
				return a.split(class)
			}
			for off := x.end() - size; off > x.off; off -= size {
				a.push(class, off)
			}
			return x.off, true
		}
		if off, ok := a.split(class); ok {
			return off, true
		}
		switch {
		case a.mergePays(size):
			a.merge()
		case a.away > 0:
			a.back.Wait()
			// Meanwhile somebody may have freed such a block.
			if off, ok := a.pop(class); ok {
				return off, true
			}
		default:
			return 0, false
		}
	}
	return 0, false
}

// cut takes free space for new blocks of a class: several small ones at once, or
// the one that is needed where there is no room for them.
func (a *Arena) cut(class int) (span, bool) {
	size := sizeOf(class)
	slab := a.slab(class)
	if off, ok := a.spans.cut(slab, a.pages.size); ok {
		return span{off, slab}, true
	}
	if size >= alignFrom {
		return span{}, false
	}
	off, ok := a.spans.cut(size, grain)
	return span{off, size}, ok
}

// slab returns how much memory is taken at once for blocks of a class: whole pages
// and whole blocks.
func (a *Arena) slab(class int) int {
	n := sizeOf(class)
	for n < step || n%a.pages.size != 0 {
		n *= 2
	}
	return n
}

// split makes a block of a class from the smallest larger free one.
func (a *Arena) split(class int) (off int, ok bool) {
	for larger := class + 1; larger < classes; larger++ {
		if off, ok := a.pop(larger); ok {
			size := sizeOf(class)
			a.spans.put(span{off + size, sizeOf(larger) - size})
			return off, true
		}
	}
	return 0, false
}

// mergePays reports whether free blocks that lie side by side may make one of size
// bytes, and are many enough to look. A merge goes through all free spans and
// blocks; asking for an eighth as many blocks as spans makes that a constant cost
// for each Free, even if every Alloc fails. Once all blocks are free there are
// enough: between two spans there was a block.
func (a *Arena) mergePays(size int) bool {
	if a.size-a.stats.Allocated-a.away < size {
		return false
	}
	blocks := 0
	for _, list := range a.free {
		blocks += len(list)
	}
	return blocks > 0 && blocks >= len(a.spans.list)/8
}

// merge dissolves all free blocks into spans.
func (a *Arena) merge() {
	var more []span
	for class, list := range a.free {
		for _, f := range list {
			more = append(more, span{f.off, sizeOf(class)})
		}
		a.free[class] = nil
	}
	a.warmLarge = 0
	a.spans.merge(more)
}

// cool punches the large free blocks that were freed longest ago, until those that
// are left obey A5. Which sizes a pool uses may change with its work, so age alone
// decides.
func (a *Arena) cool() {
	for a.warmLarge > mostWarm && !a.closed {
		oldest := -1
		for class := a.large; class < classes; class++ {
			if l := a.free[class]; len(l) > 0 && (oldest < 0 || l[0].age < a.free[oldest][0].age) {
				oldest = class
			}
		}
		x := span{a.free[oldest][0].off, sizeOf(oldest)}
		a.free[oldest] = a.free[oldest][1:]
		a.warmLarge -= x.n
		// It stays as it is if the system refuses: Free has nobody to tell, and Trim
		// will try again.
		_ = a.release(x)
	}
}
