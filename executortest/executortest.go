// Package executortest is the suite that every executor must pass. A subtest's
// name begins with the id of the row of docs/conformance.md that it holds.
//
//	func TestConformance(t *testing.T) {
//		executortest.Run(t, executortest.Config{
//			New: func(t testing.TB, o executortest.Options) futures.Executor { ... },
//		})
//	}
//
// The tasks are registered functions, so that the suite also runs on executors
// whose workers are other processes, and tasks and tests meet over a loopback
// connection (see meeting). What only some executors can do is run by capability.
package executortest

import (
	"context"
	"testing"

	"github.com/futures-go/futures"
)

// Config describes an executor to the suite.
type Config struct {
	// New returns a new executor. The suite closes it.
	New func(t testing.TB, opts Options) futures.Executor

	// NewFailing returns an executor whose initializer fails with an error that
	// has the text given, for the group IN. Nil if it has no initializer.
	NewFailing func(t testing.TB, text string) futures.Executor

	// NewInitialized returns an executor with that many workers, each of which
	// calls initialized, with its number, before its first task. Nil if it has no
	// initializer, or one that cannot call back.
	NewInitialized func(t testing.TB, workers int, initialized func(worker int)) futures.Executor

	// Local says that New returns a futures.LocalExecutor, which runs its tasks in
	// this process: then the suite submits closures too, and tests what is about
	// time inside bubbles of testing/synctest, where New must work.
	Local bool

	// Rejects says that New heeds Options.RejectWhenFull.
	Rejects bool

	// Priorities says that the executor heeds the Priority option.
	Priorities bool

	// InLine returns when all that was submitted is where workers take tasks from, and they
	// know of it. Nil if that is so when Submit returns. Where it is not, tasks of the same
	// priority need not keep their order.
	InLine func(ctx context.Context, ex futures.Executor) error
}

// Options are what the suite asks of a new executor.
type Options struct {
	Workers        int  // tasks at the same time
	Queue          int  // tasks that wait for a worker
	RejectWhenFull bool // instead of waiting for room
}

// suite is one run of the tests.
type suite struct{ Config }

// Run runs the suite.
func Run(t *testing.T, c Config) {
	s := &suite{c}
	t.Run("future", s.future)
	t.Run("wait", s.wait)
	t.Run("as completed", s.asCompleted)
	t.Run("submit", s.submit)
	t.Run("map", s.maps)
	t.Run("initializer", s.initializer)
	t.Run("shutdown", s.shutdown)
	t.Run("callbacks", s.callbacks)
	t.Run("values", s.values)
	t.Run("races", s.races)
	if c.Local {
		t.Run("local", s.local)
		t.Run("bubbles", s.bubbles)
	}
}

// open returns an executor that is closed when the test ends.
func (s *suite) open(t testing.TB, workers int) futures.Executor {
	ex := s.New(t, Options{Workers: workers, Queue: 1 << 14})
	t.Cleanup(func() { ex.Close() })
	return ex
}

// each runs fn as a subtest with an executor of its own.
func (s *suite) each(t *testing.T, name string, workers int, fn func(t *testing.T, ctx context.Context, ex futures.Executor)) {
	t.Run(name, func(t *testing.T) { fn(t, t.Context(), s.open(t, workers)) })
}

// inLine returns when all that was submitted is where workers take tasks from.
func (s *suite) inLine(t testing.TB, ctx context.Context, ex futures.Executor) {
	t.Helper()
	if s.InLine != nil {
		if err := s.InLine(ctx, ex); err != nil {
			t.Fatal(err)
		}
	}
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
