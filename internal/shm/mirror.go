package shm

import (
	"fmt"
	"sync/atomic"
)

// Mirror is a range of a region mapped twice in a row, so that the byte after the
// last is the first again: a record that wraps around the end of a ring is one
// slice.
//
//	Bytes: [0 ............ n)[n ........... 2n)
//	        the range         the same pages
//
// It is a mapping of its own: it outlives the region it was made from, and
// the rules of [Region.Close] and [Region.Unmap] hold for it separately.
type Mirror struct {
	mem      []byte // both mappings; changed by Unmap only (S2)
	readOnly bool
	closed   atomic.Bool // set once, by Close or Unmap
}

// Mirror maps [off, off+n) twice. Both must be multiples of PageSize.
func (r *Region) Mirror(off, n int) (*Mirror, error) {
	r.mustContain("Mirror", off, n)
	if page := PageSize(); n == 0 || n%page != 0 || off%page != 0 {
		panic(fmt.Sprintf("shm: Mirror of %d bytes at %d is not made of pages of %d", n, off, page))
	}
	m := &Mirror{readOnly: r.readOnly}
	err := r.withFD("mirror", func(fd int) (err error) {
		m.mem, err = mapTwice(fd, off, n, !r.readOnly)
		return err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Size returns n, the size of the range.
func (m *Mirror) Size() int { return len(m.mem) / 2 }

// Bytes returns the 2n bytes of both mappings.
func (m *Mirror) Bytes() []byte { return m.mem }

// Close lets go of the memory; slices that somebody kept read zeros (S2).
func (m *Mirror) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	if err := blank(m.mem, !m.readOnly); err != nil {
		return fmt.Errorf("shm: close mirror: %w", err)
	}
	return nil
}

// Unmap is Close for a mirror of which nobody has kept a slice.
func (m *Mirror) Unmap() error {
	mem := m.mem
	if mem == nil {
		return nil
	}
	m.closed.Store(true)
	m.mem = nil
	if err := unmap(mem); err != nil {
		return fmt.Errorf("shm: unmap mirror: %w", err)
	}
	return nil
}
