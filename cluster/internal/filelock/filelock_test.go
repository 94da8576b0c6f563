package filelock

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	first, err := Directory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Directory(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("a second lock: %v, want ErrLocked", err)
	}
	other, err := Directory(t.TempDir())
	if err != nil {
		t.Errorf("another directory: %v", err)
	} else if err := other.Release(); err != nil {
		t.Error(err)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Directory(dir)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

func TestDirectoryMissing(t *testing.T) {
	if _, err := Directory(filepath.Join(t.TempDir(), "missing")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("a directory that does not exist: %v", err)
	}
}
