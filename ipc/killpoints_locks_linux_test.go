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
		object, point string
		run           func(t *testing.T, kills int, env ...string)
	}{
		{"mutex", "locked", mutexStorm},
		{"mutex", "unlocked, nobody woken", mutexStorm},
		{"mutex", "wake-up taken", mutexStorm},
		{"recursive", "locked", recursiveStorm},
		{"recursive", "unlocking a recursive lock", recursiveStorm},
		{"semaphore", "sleeper taken, not woken", semaphoreStorm},
		{"semaphore", "listener asked, not woken", semaphoreStorm},
		{"semaphore", "permits taken, lock not freed", semaphoreStorm},
		{"semaphore", "first to wait", semaphoreStorm},
		{"semaphore", "permits given back, lock not freed", semaphoreStorm},
		{"semaphore", "wake-up taken", semaphoreStorm},
		{"hand-over", "permits of others given back", semaphoreHandOverStorm},
		{"signals", "permits taken, lock not freed", semaphoreSignalStorm},
		{"event", "all wake-ups taken", eventStorm},
		{"event", "sleeper taken, not woken", eventStorm},
		{"event", "event set, nobody woken", eventStorm},
		{"cond", "going to sleep", condStorm},
		{"cond", "awake, without the mutex", condStorm},
		{"cond", "left, notification not counted", condStorm},
		{"cond", "notifying", condStorm},
		{"cond", "notified, nobody woken", condStorm},
		{"cond", "wake-up taken", condStorm},
		{"barrier", "all wake-ups taken", barrierStorm},
		{"barrier", "sleeper taken, not woken", barrierStorm},
		{"barrier", "arrived, lock not freed", barrierStorm},
		{"barrier", "complete, not released", barrierStorm},
		{"barrier", "released, nobody woken", barrierStorm},
		{"barrier", "broken, nobody woken", barrierStorm},
		{"barrier", "logged, not reset", barrierStorm},
		{"barrier", "reset, nobody woken", barrierStorm},
	} {
		t.Run(at.object+": "+at.point, func(t *testing.T) {
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
