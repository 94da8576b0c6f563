package shm_test

import (
	"math"
	"testing"

	"github.com/futures-go/futures/internal/shm"
)

// A record that wraps around the end of a ring is one slice.
func TestMirror(t *testing.T) {
	page := shm.PageSize()
	r := create(t, 4*page)
	m, err := r.Mirror(page, 2*page)
	if err != nil {
		t.Fatal(err)
	}
	defer closeOK(t, m)
	n := m.Size()
	if n != 2*page || len(m.Bytes()) != 2*n {
		t.Fatalf("Size %d, %d bytes", n, len(m.Bytes()))
	}
	// A ring's counters run near their wrap-around; positions are taken modulo n.
	at := uint32(math.MaxUint32 - 50)
	for i := range 100 {
		pos := int(at % uint32(n))
		copy(m.Bytes()[pos:], "record")
		m.Bytes()[pos] = byte(i)
		if got := string(m.Bytes()[(pos+n)%(2*n):][:1]); got != string([]byte{byte(i)}) {
			t.Fatalf("position %d is not mirrored", pos)
		}
		at++
	}
	copy(m.Bytes()[n-3:], "abcdef")
	if got := string(m.Bytes()[:3]); got != "def" {
		t.Errorf("begin of the ring %q", got)
	}
	if got := string(r.Bytes()[page:][:3]) + string(r.Bytes()[3*page-3:3*page]); got != "defabc" {
		t.Errorf("the region sees %q", got)
	}
	for i, b := range r.Bytes() {
		if b != 0 && (i < page || i >= 3*page) {
			t.Fatalf("byte %d outside of the range changed", i)
		}
	}
	m.Bytes()[2*n-1] = 0x77
	if m.Bytes()[n-1] != 0x77 {
		t.Error("the last byte is not mirrored")
	}
}
