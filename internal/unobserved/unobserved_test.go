package unobserved

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/futures-go/futures"
)

// here is an executor that runs a task in Execute.
type here struct{ failures *Failures }

func (h here) Execute(_ context.Context, t *futures.Task) error {
	t.Run(0)
	h.failures.Note(t)
	return nil
}
func (here) RunsLocally()                   {}
func (here) Close() error                   { return nil }
func (here) Shutdown(context.Context) error { return nil }

// TestReport: what failed and was not looked at is logged once; the rest is not, and too
// many are counted.
func TestReport(t *testing.T) {
	var failures Failures
	ctx := t.Context()
	fail := func(n int) *futures.Future[int] {
		return futures.Submit(ctx, here{&failures}, func(context.Context) (int, error) { return 0, fmt.Errorf("failure %d.", n) })
	}
	futures.Submit(ctx, here{&failures}, func(context.Context) (int, error) { return 1, nil })
	fail(1)
	if _, err := fail(2).Result(ctx); err == nil {
		t.Error("it has not failed")
	}
	futures.Submit(ctx, here{&failures}, func(context.Context) (int, error) { panic(errors.New("panicked")) })
	report := func() string {
		var log strings.Builder
		failures.Report(slog.New(slog.NewTextHandler(&log, nil)), "here", "mine")
		return log.String()
	}
	text := report()
	for want, times := range map[string]int{"failure 1.": 1, "failure 2.": 0, "panicked": 1, "stack=": 1, "pool=mine": 2, "here: task failed": 2} {
		if n := strings.Count(text, want); n != times && !(want == "panicked" && n > 0) {
			t.Errorf("%q stands there %d times, not %d:\n%s", want, n, times, text)
		}
	}
	if text := report(); text != "" {
		t.Errorf("logged again: %s", text)
	}
	for n := range most + 10 {
		fail(1000 + n)
	}
	text = report()
	if n := strings.Count(text, "failure 1"); n != most || !strings.Contains(text, "tasks=10") {
		t.Errorf("%d are logged", n)
	}
}
