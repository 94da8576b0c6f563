//go:build !linux

package arena

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	if _, err := New("none", 1<<30); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("New: %v", err)
	}
}
