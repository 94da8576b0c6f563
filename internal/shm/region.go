package shm

import (
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
)

// ErrRefused is wrapped by the errors of Open and OpenReadOnly that say that a
// descriptor is not memory which they can trust: not a memfd, not sealed, too
// small, or not writable (S1).
var ErrRefused = errors.New("shm: descriptor refused")

// ErrRange is wrapped by the errors of CheckRange.
var ErrRange = errors.New("shm: range outside of the region")

// Region is a piece of shared memory, mapped into this process.
type Region struct {
	name     string  // of the memory, for error texts
	readOnly bool    // the mapping refuses writes
	mem      []byte  // the mapping; changed by Unmap only (S2)
	shadow   *shadow // what the race detector watches instead of mem

	mu sync.Mutex // guards fd, and keeps mem mapped to it while it is held
	fd int        // owned: closed by Close or Unmap, -1 from then on
}

// Create makes a region of at least size bytes, rounded up to whole pages, all
// zero. Pages exist from their first access on, so a large region costs only
// what is used of it (but see [Region.Reserve]). The name is seen in
// /proc/PID/maps and nowhere else; two regions can have the same.
func Create(name string, size int) (*Region, error) {
	return create("Create", name, size, false)
}

// CreateBroadcast is like Create for memory that only the returned region can
// write. Whoever gets the descriptor can map it with OpenReadOnly and can
// neither write it nor punch holes into it; the creator cannot map it writable a
// second time ([Region.Mirror]) or punch it either.
//
// It is the writer who may still change the memory at any time: a reader that
// needs a stable value copies it.
func CreateBroadcast(name string, size int) (*Region, error) {
	return create("CreateBroadcast", name, size, true)
}

func create(method, name string, size int, broadcast bool) (*Region, error) {
	if size <= 0 {
		panic(fmt.Sprintf("shm: %s with size %d", method, size))
	}
	page := PageSize()
	if size > math.MaxInt-page {
		return nil, fmt.Errorf("shm: create %s: size %d is too large", name, size)
	}
	size = (size + page - 1) / page * page
	fd, err := newMemory(name, size)
	if err != nil {
		return nil, fmt.Errorf("shm: create %s of %d bytes: %w", name, size, err)
	}
	mem, err := mapShared(fd, size, true)
	if err == nil {
		// The kernel lets no writable mapping be made after the seal of a
		// broadcast, so the seals come after the mapping.
		if err = seal(fd, broadcast); err != nil {
			_ = unmap(mem)
		}
	}
	if err != nil {
		_ = closeFD(fd)
		return nil, fmt.Errorf("shm: create %s of %d bytes: %w", name, size, err)
	}
	return &Region{name: name, mem: mem, shadow: shadowOf(fd, size), fd: fd}, nil
}

// Open maps the region behind fd, which another process created, for reading and
// writing. The descriptor must be memory sealed against shrinking and growing (S1)
// and hold at least minSize bytes; otherwise the error wraps ErrRefused.
//
// On success the region owns fd, and marks it close-on-exec (S3). On failure it is
// still the caller's.
func Open(fd, minSize int) (*Region, error) { return open(fd, minSize, false) }

// OpenReadOnly is like Open for a region that this process only reads. Writing to
// its bytes or words is a fault that ends the program.
func OpenReadOnly(fd, minSize int) (*Region, error) { return open(fd, minSize, true) }

func open(fd, minSize int, readOnly bool) (*Region, error) {
	size, err := inspect(fd, readOnly)
	if err != nil {
		return nil, fmt.Errorf("shm: open descriptor %d: %w", fd, err)
	}
	if size < int64(minSize) || size > math.MaxInt {
		return nil, fmt.Errorf("shm: open descriptor %d: %w: %d bytes instead of %d", fd, ErrRefused, size, minSize)
	}
	mem, err := mapShared(fd, int(size), !readOnly)
	if err != nil {
		return nil, fmt.Errorf("shm: open descriptor %d of %d bytes: %w", fd, size, err)
	}
	name := fmt.Sprintf("descriptor %d", fd)
	return &Region{name: name, readOnly: readOnly, mem: mem, shadow: shadowOf(fd, int(size)), fd: fd}, nil
}

// Size returns the region's size in bytes. A created region's is a multiple of
// PageSize.
func (r *Region) Size() int { return len(r.mem) }

// Bytes returns the memory itself. The slice is valid until Close and harmless
// afterwards (S2). Its capacity ends with the region.
func (r *Region) Bytes() []byte { return r.mem }

// ReadOnly reports whether the region was mapped for reading only.
func (r *Region) ReadOnly() bool { return r.readOnly }

// CheckRange returns an error that wraps ErrRange unless [off, off+n) lies within
// the region. It is meant for values that a peer wrote, already copied out of
// the memory; no sum of them can overflow.
func (r *Region) CheckRange(off, n uint64) error {
	if size := uint64(len(r.mem)); off > size || n > size-off {
		return fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, n, off, size)
	}
	return nil
}

// FD returns the descriptor, for passing it to a process that is being started or
// over a socket, or -1 after Close. The region still owns it: it is valid only as
// long as nobody calls Close.
func (r *Region) FD() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fd
}

// File returns a duplicate of the descriptor, which the caller closes.
func (r *Region) File() (*os.File, error) {
	var file *os.File
	err := r.withFD("file", func(fd int) (err error) {
		file, err = duplicate(fd, r.name)
		return err
	})
	return file, err
}

// Reserve makes the pages of [off, off+n) exist, so that touching them cannot fail
// later for want of memory (SIGBUS) and is cheap in this process. It changes no
// byte.
func (r *Region) Reserve(off, n int) error {
	r.mustContain("Reserve", off, n)
	return r.withFD("reserve", func(fd int) error { return reserve(fd, r.mem, off, n) })
}

// Punch gives the memory of [off, off+n) back and makes it read as zeros, for all
// who map it. Whole pages are freed, parts of pages are zeroed. The range can be
// used again at once: any access, reading included, makes its page anew.
func (r *Region) Punch(off, n int) error {
	r.mustContain("Punch", off, n)
	if n == 0 {
		return nil
	}
	return r.withFD("punch", func(fd int) error { return punch(fd, off, n) })
}

// Close gives up this process's share of the memory and the descriptor. Slices and
// words of the region stay readable and writable, but they are private zeros from
// now on (S2): this costs addresses, not memory, as long as nobody writes there.
// A waiter that sleeps on a word must have been woken before.
//
// Should the kernel refuse the exchange, Close returns an error and the memory
// stays mapped as it was. A second Close does nothing.
func (r *Region) Close() error {
	fd := r.takeFD()
	if fd < 0 {
		return nil
	}
	err := errors.Join(blank(r.mem, !r.readOnly), closeFD(fd))
	if err != nil {
		return fmt.Errorf("shm: close %s: %w", r.name, err)
	}
	return nil
}

// Unmap is Close for a region of which nobody has kept a slice or a word: its
// addresses are given back too. No other method may run at the same time, and
// every later use of the region panics.
func (r *Region) Unmap() error {
	mem := r.mem
	if mem == nil {
		return nil
	}
	r.mem = nil
	var err error
	if fd := r.takeFD(); fd >= 0 {
		err = closeFD(fd)
	}
	if err = errors.Join(unmap(mem), err); err != nil {
		return fmt.Errorf("shm: unmap %s: %w", r.name, err)
	}
	return nil
}

// takeFD ends the region's life as far as its descriptor goes. It returns -1 if
// that was done before.
func (r *Region) takeFD() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	fd := r.fd
	r.fd = -1
	if fd >= 0 {
		r.shadow.drop()
	}
	return fd
}

// withFD calls f with a descriptor that stays open meanwhile.
func (r *Region) withFD(op string, f func(fd int) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := os.ErrClosed
	if r.fd >= 0 {
		err = f(r.fd)
	}
	if err != nil {
		return fmt.Errorf("shm: %s %s: %w", op, r.name, err)
	}
	return nil
}

// mustContain panics unless [off, off+n) lies within the region (S4).
func (r *Region) mustContain(method string, off, n int) {
	if off < 0 || n < 0 || off > len(r.mem) || n > len(r.mem)-off {
		panic(fmt.Sprintf("shm: %s of %d bytes at %d in a region of %d", method, n, off, len(r.mem)))
	}
}
