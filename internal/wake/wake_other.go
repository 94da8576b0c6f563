//go:build !linux

package wake

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"time"
)

// Available reports whether this system has futexes and bells.
const Available = false

// FutexWait returns an error wrapping errors.ErrUnsupported on this system.
func FutexWait(addr *atomic.Uint32, val uint32, timeout time.Duration) error {
	return fmt.Errorf("wake: futex: %w", errors.ErrUnsupported)
}

// FutexWake returns 0 on this system, where nobody can wait.
func FutexWake(addr *atomic.Uint32, n int) int { return 0 }

func schedYield() { runtime.Gosched() }

// No Bell exists on these systems; what follows newEvent and inspectEvent is never
// reached.

type heed struct{}

func newEvent() (int, error)         { return -1, errors.ErrUnsupported }
func inspectEvent(fd int) error      { return errors.ErrUnsupported }
func ringEvent(fd int)               {}
func hearEvent(fd int, h *heed) bool { return true }
func unblock(fd int) error           { return errors.ErrUnsupported }

func duplicate(fd int) (*os.File, error) { return nil, errors.ErrUnsupported }
func closeFD(fd int) error               { return errors.ErrUnsupported }
