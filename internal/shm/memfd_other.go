//go:build !linux

package shm

import (
	"errors"
	"os"
)

// Available reports whether this system has shared memory of this kind. Where it
// is false, all that makes a region fails with errors.ErrUnsupported.
const Available = false

// PageSize returns the size of a page in bytes, a power of two.
func PageSize() int { return os.Getpagesize() }

// No Region exists on these systems: newMemory and inspect, through which each
// one begins, refuse. The others are never reached.

func newMemory(name string, size int) (fd int, err error)    { return -1, errors.ErrUnsupported }
func inspect(fd int, readOnly bool) (size int64, err error)  { return 0, errors.ErrUnsupported }
func seal(fd int, broadcast bool) error                      { return errors.ErrUnsupported }
func duplicate(fd int, name string) (*os.File, error)        { return nil, errors.ErrUnsupported }
func closeFD(fd int) error                                   { return errors.ErrUnsupported }
func punch(fd, off, n int) error                             { return errors.ErrUnsupported }
func reserve(fd int, mem []byte, off, n int) error           { return errors.ErrUnsupported }
func mapShared(fd, size int, writable bool) ([]byte, error)  { return nil, errors.ErrUnsupported }
func mapTwice(fd, off, n int, writable bool) ([]byte, error) { return nil, errors.ErrUnsupported }
func blank(mem []byte, writable bool) error                  { return errors.ErrUnsupported }
func unmap(mem []byte) error                                 { return errors.ErrUnsupported }
