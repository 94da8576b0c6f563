//go:build !linux

package wake

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// Where there are no futexes and bells, everything that would wait says so.
func TestUnsupported(t *testing.T) {
	if Available {
		t.Error("Available")
	}
	var word atomic.Uint32
	_, created := NewBell()
	_, opened := OpenBell(0)
	for name, err := range map[string]error{
		"FutexWait": FutexWait(&word, 0, -1),
		"Sleep":     Sleep(&word, func() bool { return false }),
		"NewBell":   created,
		"OpenBell":  opened,
	} {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if word.Store(1); !Wake(&word) || FutexWake(&word, 1) != 0 {
		t.Error("Wake")
	}
}
