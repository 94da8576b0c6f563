package procpool_test

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"
)

// A marks file has a word for each task, which all processes map.
type marksFile struct {
	path  string
	words []uint32
}

var mapped sync.Map // path to []uint32

func marks(path string) ([]uint32, error) {
	if m, ok := mapped.Load(path); ok {
		return m.([]uint32), nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	m := unsafe.Slice((*uint32)(unsafe.Pointer(&b[0])), len(b)/4)
	mapped.Store(path, m)
	return m, nil
}

func newMarks(t *testing.T, n int) *marksFile {
	t.Helper()
	path := filepath.Join(t.TempDir(), "marks")
	if err := os.WriteFile(path, make([]byte, 4*n), 0o600); err != nil {
		t.Fatal(err)
	}
	words, err := marks(path)
	if err != nil {
		t.Fatal(err)
	}
	return &marksFile{path, words}
}

// count returns how often a task began and how often it ended.
func (m *marksFile) count(n int) (begun, ended uint32) {
	word := atomic.LoadUint32(&m.words[n])
	return word & 0xffff, word >> 16
}

func init() {
	countCall = func(file string, n int) error {
		m, err := marks(file)
		if err == nil {
			atomic.AddUint32(&m[n], 1)
		}
		return err
	}
}
