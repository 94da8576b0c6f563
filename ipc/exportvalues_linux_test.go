package ipc

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/family"
)

// MemoryTaken returns how many bytes of memory all objects of the family take together.
func MemoryTaken(t testing.TB) int {
	f, err := family.Home(kinds[:])
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.Region().FD(), &st); err != nil {
		t.Fatal(err)
	}
	return int(st.Blocks) * 512
}

// Corrupt writes a word of the object that a handle leads to.
func Corrupt(t testing.TB, handle []byte, off int, word uint64) {
	ref, _, err := parseHandle(handle)
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := openHandle(handle, ref.Kind)
	if err != nil {
		t.Fatal(err)
	}
	o.Word(off).Store(word)
}

// Freed reports whether the memory of the object that a handle leads to was given back.
func Freed(t testing.TB, handle []byte) bool {
	ref, _, err := parseHandle(handle)
	if err != nil {
		t.Fatal(err)
	}
	o, _, err := openHandle(handle, ref.Kind)
	runtime.KeepAlive(o)
	return errors.Is(err, family.ErrGone)
}
