// Package unobserved remembers the tasks of an executor that failed, to log when it
// closes those whose outcome nobody has asked for: nothing fails in silence.
package unobserved

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/futures-go/futures"
)

// most bounds how many tasks are remembered, since each keeps its future.
const most = 256

// Failures are those of one executor. The zero value is ready. Its methods may be
// called from any goroutine.
type Failures struct {
	mu      sync.Mutex
	failed  []*futures.Task // at most most
	dropped int             // that would have been too many
}

// Note remembers a resolved task if it failed. When there are too many, those that have
// been looked at since are forgotten first, then the oldest.
func (u *Failures) Note(t *futures.Task) {
	if t.State() != futures.Failed || t.Observed() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.failed) == most {
		u.failed = slices.DeleteFunc(u.failed, (*futures.Task).Observed)
	}
	if len(u.failed) == most {
		u.failed = slices.Delete(u.failed, 0, 1)
		u.dropped++
	}
	u.failed = append(u.failed, t)
}

// Report logs what nobody asked for, once. The messages begin with kind, that of the
// executor, and name it as pool.
func (u *Failures) Report(logger *slog.Logger, kind, pool string) {
	u.mu.Lock()
	failed, dropped := u.failed, u.dropped
	u.failed, u.dropped = nil, 0
	u.mu.Unlock()
	for _, t := range failed {
		if t.Observed() {
			continue
		}
		// Sprint survives errors whose Error panics, and leaves out a stack that
		// %+v would print.
		args := []any{"pool", pool, "task", t.Name(), "err", fmt.Sprint(t.Err())}
		if p, ok := t.Err().(*futures.PanicError); ok {
			args = append(args, "stack", string(p.Stack))
		}
		logger.Error(kind+": task failed and nobody asked for its outcome", args...)
	}
	if dropped > 0 {
		logger.Error(kind+": more tasks failed and may not have been looked at", "pool", pool, "tasks", dropped)
	}
}
