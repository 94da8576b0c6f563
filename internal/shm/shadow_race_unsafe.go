//go:build race && linux

package shm

import (
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// shadowLimit bounds the memory of a shadow.
const shadowLimit = 1 << 20

// shadow is Go memory whose addresses stand for those of a region, because the
// race detector ignores others. Byte i is that of the region's byte i.
type shadow struct {
	bytes []byte   // never read or written, only announced
	key   memoryID // under which shadows holds it
	users int      // regions that have it; guarded by shadows.mu
}

// memoryID tells memory from other memory, whatever the descriptor.
type memoryID struct{ device, inode uint64 }

// shadows finds the shadow of memory that is mapped already: goroutines may use it
// through different regions.
var shadows = struct {
	mu    sync.Mutex
	known map[memoryID]*shadow
}{known: make(map[memoryID]*shadow)}

func shadowOf(fd, size int) *shadow {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		panic(err) // fd was mapped a moment ago
	}
	key := memoryID{uint64(st.Dev), st.Ino}
	shadows.mu.Lock()
	defer shadows.mu.Unlock()
	s := shadows.known[key]
	if s == nil {
		s = &shadow{bytes: make([]byte, min(size, shadowLimit)), key: key}
		shadows.known[key] = s
	}
	s.users++
	return s
}

// drop forgets the shadow with its last region. Late announcements do no harm.
func (s *shadow) drop() {
	shadows.mu.Lock()
	defer shadows.mu.Unlock()
	if s.users--; s.users == 0 {
		delete(shadows.known, s.key)
	}
}

// word returns the address that stands for a word. Words beyond the shadow share
// those within it: that may hide a race but cannot invent one.
func (s *shadow) word(off int) unsafe.Pointer {
	return unsafe.Pointer(&s.bytes[uint(off)%uint(len(s.bytes))])
}

// release merges, so that of several who publish through one word none is forgotten.
func (s *shadow) release(off int) { runtime.RaceReleaseMerge(s.word(off)) }
func (s *shadow) acquire(off int) { runtime.RaceAcquire(s.word(off)) }

func (s *shadow) write(off, n int) {
	if n = min(n, len(s.bytes)-off); n > 0 {
		runtime.RaceWriteRange(s.word(off), n)
	}
}

func (s *shadow) read(off, n int) {
	if n = min(n, len(s.bytes)-off); n > 0 {
		runtime.RaceReadRange(s.word(off), n)
	}
}
