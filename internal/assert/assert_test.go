package assert

import (
	"strings"
	"testing"
)

func TestThat(t *testing.T) {
	That(true, "never seen")
	defer func() {
		if v, _ := recover().(string); !strings.Contains(v, "X1: 3 of 2") {
			t.Errorf("panic says %q", v)
		}
	}()
	That(false, "X1: %d of %d", 3, 2)
}
