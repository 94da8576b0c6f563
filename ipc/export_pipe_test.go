package ipc

import (
	"testing"
	"time"
)

// SetOrphanGrace changes how long a handle is on its way whose sender is dead.
func SetOrphanGrace(t *testing.T, d time.Duration) {
	before := orphanGrace.Swap(int64(d))
	t.Cleanup(func() { orphanGrace.Store(before) })
}
