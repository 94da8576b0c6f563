package ipc_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/futures-go/futures/internal/assert"
)

// TestLocksKilledAtNamedPoints: L1 to L6: a process dies at each step of the locks' ways that is
// not the only one, and the others go on, with what is to be conserved.
func TestLocksKilledAtNamedPoints(t *testing.T) {
	if !assert.Enabled {
		t.Skip("the points are there with -tags futures_assert only, which CI has in a step of its own")
	}
	for _, at := range []struct {
		point string
		run   func(t *testing.T, kills int, env ...string)
	}{
		{"locked", mutexStorm},
		{"unlocked, nobody woken", mutexStorm},
		{"wake-up taken", mutexStorm},
		{"locked", recursiveStorm},
		{"unlocking a recursive lock", recursiveStorm},
		{"permits taken, lock not freed", semaphoreStorm},
		{"first to wait", semaphoreStorm},
		{"permits given back, lock not freed", semaphoreStorm},
		{"wake-up taken", semaphoreStorm},
		{"permits of others given back", semaphoreHandOverStorm},
		{"permits taken, lock not freed", semaphoreSignalStorm},
		{"event set, nobody woken", eventStorm},
		{"going to sleep", condStorm},
		{"awake, without the mutex", condStorm},
		{"left, notification not counted", condStorm},
		{"notifying", condStorm},
		{"notified, nobody woken", condStorm},
		{"wake-up taken", condStorm},
		{"arrived, lock not freed", barrierStorm},
		{"complete, not released", barrierStorm},
		{"released, nobody woken", barrierStorm},
		{"broken, nobody woken", barrierStorm},
		{"logged, not reset", barrierStorm},
		{"reset, nobody woken", barrierStorm},
	} {
		t.Run(at.point, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			for range 3 {
				if err := os.WriteFile(once, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				at.run(t, 0, "FUTURES_DIE_AT="+at.point, "FUTURES_DIE_ONCE="+once)
			}
		})
	}
}
