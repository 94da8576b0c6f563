package shm_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/shm"
)

// S2: a slice or a word that somebody kept reads zeros, takes writes, and never
// shows other memory. The memory itself is untouched.
func TestCloseKeepsAddresses(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("readOnly=%v", readOnly), func(t *testing.T) {
			owner := create(t, 64*shm.PageSize())
			open := shm.Open
			if readOnly {
				open = shm.OpenReadOnly
			}
			for i := range owner.Bytes() {
				owner.Bytes()[i] = 0xAA
			}
			r := duplicated(t, owner, open)
			mirror, err := r.Mirror(0, r.Size())
			if err != nil {
				t.Fatal(err)
			}
			stale, staleWord, staleMirror := r.Bytes(), r.Uint64(128), mirror.Bytes()
			closeOK(t, r)
			closeOK(t, mirror)
			closeOK(t, r)
			closeOK(t, mirror)
			others := make([]*shm.Region, 20)
			for i := range others {
				others[i] = create(t, owner.Size())
				others[i].Bytes()[0] = 0xBB
			}
			if bytes.ContainsFunc(stale, func(r rune) bool { return r != 0 }) || staleWord.Load() != 0 {
				t.Error("a stale slice does not read zeros")
			}
			if bytes.ContainsFunc(staleMirror, func(r rune) bool { return r != 0 }) {
				t.Error("a stale mirror does not read zeros")
			}
			if !readOnly {
				stale[0], staleMirror[0] = 0xCC, 0xCC
				staleWord.Store(1)
			}
			for i, b := range owner.Bytes() {
				if b != 0xAA {
					t.Fatalf("byte %d became %#x", i, b)
				}
			}
			for _, other := range others {
				if other.Bytes()[0] != 0xBB || other.Bytes()[128] != 0 {
					t.Fatal("a stale slice reaches another region")
				}
			}
			if fd := r.FD(); fd != -1 {
				t.Errorf("FD after Close = %d", fd)
			}
			for name, err := range map[string]error{
				"File":    second(r.File()),
				"Punch":   r.Punch(0, 1),
				"Reserve": r.Reserve(0, 1),
				"Mirror":  second(r.Mirror(0, shm.PageSize())),
			} {
				if !errors.Is(err, os.ErrClosed) {
					t.Errorf("%s after Close: %v", name, err)
				}
			}
		})
	}
}

// S2 holds at every moment of Close, for all who are in the middle of an access.
func TestCloseUnderLoad(t *testing.T) {
	for range 20 {
		r := create(t, 16*shm.PageSize())
		var busy, done sync.WaitGroup
		var end atomic.Bool
		for g := range 4 {
			busy.Add(1)
			done.Go(func() {
				word, data := r.Uint64(1024*g), r.Bytes()[8192*g+4096:][:4096]
				busy.Done()
				for !end.Load() {
					word.Add(1)
					for i := range data {
						data[i]++
					}
				}
			})
		}
		busy.Wait()
		closeOK(t, r)
		end.Store(true)
		done.Wait()
	}
}

func TestUnmapGivesAddressesBack(t *testing.T) {
	r, err := shm.Create("unmapped-region", 8*shm.PageSize())
	if err != nil {
		t.Fatal(err)
	}
	m, err := r.Mirror(0, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	if got := countMappings(t, "unmapped-region"); got != 3 {
		t.Errorf("%d mappings, want the region and both halves of the mirror", got)
	}
	for range 2 {
		if err := errors.Join(r.Unmap(), m.Unmap(), r.Close(), m.Close()); err != nil {
			t.Error(err)
		}
	}
	if got := countMappings(t, "unmapped-region"); got != 0 {
		t.Errorf("%d mappings are left", got)
	}
	mustPanic(t, "region of 0", func() { r.Uint32(0) })
}

func countMappings(t *testing.T, name string) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "/memfd:"+name+" ")
}

// What is passed to a kernel call under the region's lock is its own descriptor,
// also while others close it.
func TestMethodsTogether(t *testing.T) {
	for range 20 {
		r := create(t, 8*shm.PageSize())
		var wg sync.WaitGroup
		start := make(chan struct{})
		for _, f := range []func() error{
			func() error { return r.Punch(0, r.Size()) },
			func() error { return r.Reserve(0, r.Size()) },
			func() error {
				m, err := r.Mirror(0, r.Size())
				if err == nil {
					err = m.Unmap()
				}
				return err
			},
			func() error {
				f, err := r.File()
				if err == nil {
					err = f.Close()
				}
				return err
			},
			r.Close,
		} {
			wg.Go(func() {
				<-start
				if err := f(); err != nil && !errors.Is(err, unix.EBADF) && r.FD() >= 0 {
					t.Error(err)
				} else if errors.Is(err, unix.EBADF) {
					t.Errorf("a descriptor was closed under a method: %v", err)
				}
			})
		}
		close(start)
		wg.Wait()
	}
}
