package gopool_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

var quiet = slog.New(slog.DiscardHandler)

// TestFailuresNobodyLookedAt: they are logged when the pool closes, the others
// are not.
func TestFailuresNobodyLookedAt(t *testing.T) {
	ctx := t.Context()
	var log bytes.Buffer
	pool := gopool.New(gopool.Options{Workers: 1, Name: "kitchen", Logger: slog.New(slog.NewTextHandler(&log, nil))})
	burn := func(text string) *futures.Future[int] {
		return futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New(text) })
	}
	futures.Submit(ctx, pool, func(context.Context) (int, error) { panic("gas") })
	burn("burnt")
	seen := burn("seen to")
	burn("called back").OnDone(func(*futures.Future[int]) {})
	seen.Result(ctx)
	pool.Close()
	pool.Close()
	text := log.String()
	for _, want := range []string{"kitchen", "gas", "burnt", "TestFailuresNobodyLookedAt", "goroutine"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	for _, not := range []string{"seen to", "called back"} {
		if strings.Contains(text, not) {
			t.Errorf("the log has %q", not)
		}
	}
	if n := strings.Count(text, "level=ERROR"); n != 2 {
		t.Errorf("%d lines, want 2:\n%s", n, text)
	}
}
