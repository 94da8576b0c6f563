// Package filelock marks a directory as used by one process.
package filelock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrLocked tells that somebody else has the directory.
var ErrLocked = errors.New("another server uses it")

// name of the file. It stays when the lock is released: to remove it would let two
// processes lock two files of the same name.
const name = "futures.lock"

// A Lock is a directory that is locked. It ends with the process, however that ends.
type Lock struct{ file *os.File }

// Directory locks a directory, without waiting. The error wraps ErrLocked if it is
// locked, by another process or by this one.
func Directory(dir string) (*Lock, error) {
	path := filepath.Join(dir, name)
	f, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Release unlocks the directory.
func (l *Lock) Release() error { return l.file.Close() }
