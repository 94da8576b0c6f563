//go:build !linux

package shm_test

import (
	"errors"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/internal/shm"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// Where there are no memfds, everything that makes a region says so.
func TestUnsupported(t *testing.T) {
	if shm.Available {
		t.Error("Available")
	}
	_, created := shm.Create("none", 1)
	_, broadcast := shm.CreateBroadcast("none", 1)
	_, opened := shm.Open(0, 1)
	_, read := shm.OpenReadOnly(0, 1)
	for name, err := range map[string]error{
		"Create": created, "CreateBroadcast": broadcast, "Open": opened, "OpenReadOnly": read,
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
