//go:build !linux

package ipc

import (
	"context"
	"errors"

	"github.com/futures-go/futures/bench/internal/harness"
)

// sharedMemory is a floor that needs the memfd of Linux; a test of the catalog wants
// each system to have answers.
func sharedMemory() harness.System {
	return harness.System{
		Name:  "shared-memory",
		About: "a floor: a memfd with rings, a lock, a number",
		Find:  func(context.Context) (string, error) { return "", errors.New("Linux only") },
	}
}

func fileLock() harness.System {
	return harness.System{
		Name:  "flock",
		About: "a floor: flock, which the kernel takes from the dead",
		Find:  func(context.Context) (string, error) { return "", errors.New("asked on Linux only") },
	}
}

func serveFileLock() error { return errors.ErrUnsupported }
func serveRing() error     { return errors.ErrUnsupported }
func serveContest() error  { return errors.ErrUnsupported }
func serveMemory() error   { return errors.ErrUnsupported }
