//go:build !linux

package ipc_test

import (
	"errors"
	"testing"

	"github.com/futures-go/futures/ipc"
)

// Where there is no shared memory of this kind, who makes an object is told.
func TestUnsupported(t *testing.T) {
	for name, err := range map[string]error{
		"NewQueue":          second(ipc.NewQueue[int](ipc.QueueOptions{})),
		"Pipe":              third(ipc.Pipe[int](ipc.PipeOptions{})),
		"NewValue":          second(ipc.NewValue(0)),
		"NewArray":          second(ipc.NewArray[int](1)),
		"NewBytes":          second(ipc.NewBytes([]byte{1})),
		"NewMutex":          second(ipc.NewMutex()),
		"NewRecursiveMutex": second(ipc.NewRecursiveMutex()),
		"NewSemaphore":      second(ipc.NewSemaphore(ipc.SemaphoreOptions{})),
		"NewEvent":          second(ipc.NewEvent()),
		"NewCond":           second(ipc.NewCond(nil)),
		"NewBarrier":        second(ipc.NewBarrier(ipc.BarrierOptions{Parties: 1})),
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error   { return err }
func third[T any](_, _ T, err error) error { return err }
