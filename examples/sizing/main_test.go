package main

import (
	"context"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestTables runs each measurement in small: what it prints has a line for each
// row, and no figure is nothing.
func TestTables(t *testing.T) {
	m := &measurement{runs: 1, scale: 500}
	for want, part := range map[string]func(context.Context, *tabwriter.Writer) error{
		"256 workers": m.waiting, "64 workers": m.computing, "go and a WaitGroup": m.nothing, "goroutine": m.memory,
	} {
		var out strings.Builder
		table := tabwriter.NewWriter(&out, 0, 0, 1, ' ', 0)
		if err := part(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		table.Flush()
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), " 0 [") || strings.Contains(out.String(), "NaN") {
			t.Errorf("the table lacks %s, or has an empty figure:\n%s", want, out.String())
		}
	}
}

func TestSpread(t *testing.T) {
	values := []float64{3, 1, 2}
	i := -1
	s, err := (&measurement{runs: 3}).repeat(func() (float64, error) { i++; return values[i], nil })
	if err != nil || s != (spread{2, 1, 3}) || s.String() != "2 [1 .. 3]" {
		t.Errorf("got %v, %v", s, err)
	}
}
