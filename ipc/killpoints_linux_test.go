package ipc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/futures-go/futures/internal/assert"
)

// TestQueueKilledAt kills a process at each place at which a queue is between two states.
func TestQueueKilledAt(t *testing.T) {
	if !assert.Enabled {
		t.Skip("the points are there with -tags futures_assert only, which CI has in a step of its own")
	}
	for _, point := range []string{
		"locked", "put, not counted", "put, lock not freed", "taken, not counted", "taken, lock not freed",
		"unlocked, nobody woken", "wake-up taken",
	} {
		t.Run(point, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			for range 5 {
				mustDo(t, os.WriteFile(once, nil, 0o600))
				if n := chaos(t, 4096, 0, "FUTURES_DIE_AT="+point, "FUTURES_DIE_ONCE="+once); n != 1 {
					t.Errorf("%d processes died", n)
				}
			}
		})
	}
}
