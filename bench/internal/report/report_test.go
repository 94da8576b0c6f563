package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// sample is two questions, one of them about growth, with all that can become of a
// system.
func sample() (harness.Catalog, []harness.Result) {
	ns := []harness.Metric{{Name: "p50", Unit: "ns", Better: harness.Lower}}
	table := harness.Question{Name: "cost", Asks: "What does <it> cost?", Metrics: ns, Cases: []harness.Case{{Name: "2x1"}, {Name: "8x64"}}}
	curve := harness.Question{
		Name: "growth", Asks: "How does it grow?", Grows: "workers", Metrics: ns,
		Cases: []harness.Case{{Name: "1", X: 1}, {Name: "100", X: 100}},
	}
	catalog := harness.Catalog{Groups: []harness.Group{{
		Name: "group", Title: "A group", Questions: []harness.Question{table, curve},
		Systems: []harness.System{{Name: "ours", About: "this & that", Ours: true}, {Name: "peer"}, {Name: "absent"}, {Name: "wrong"}},
	}}}
	result := func(question, name, system string, value float64) harness.Result {
		return harness.Result{
			Group: "group", Question: question, Metric: "p50", Case: name, System: system, Version: "v1.2.3", Ours: system == "ours",
			Status: harness.Measured, Value: value, Unit: "ns", Better: harness.Lower, Repetitions: 3,
			Spread: harness.Spread{Least: value - 1, Most: value + 1}, Ratio: value / 100, Placement: "one core (1)",
		}
	}
	not := func(r harness.Result, status harness.Status, reason string) harness.Result {
		r.Status, r.Reason, r.Value, r.Spread, r.Repetitions, r.Ratio = status, reason, 0, harness.Spread{}, 0, 0
		return r
	}
	x := func(r harness.Result, x float64) harness.Result { r.X = &x; return r }
	disturbed := result("cost", "8x64", "peer", 1234.5)
	disturbed.Disturbed, disturbed.Foreign = 1, 0.25
	return catalog, []harness.Result{
		result("cost", "2x1", "ours", 100), result("cost", "2x1", "peer", 250),
		not(result("cost", "2x1", "absent", 0), harness.Missing, "no java"),
		not(result("cost", "2x1", "wrong", 0), harness.Failed, "of 7 tasks\n5 ran"),
		result("cost", "8x64", "ours", 1.5), disturbed,
		not(result("cost", "8x64", "absent", 0), harness.Missing, "no java"),
		result("cost", "8x64", "wrong", 3),
		x(result("growth", "1", "ours", 10), 1), x(result("growth", "1", "peer", 20), 1),
		x(result("growth", "100", "ours", 11), 100), x(not(result("growth", "100", "peer", 0), harness.Declined, "has no queue"), 100),
	}
}

func TestTables(t *testing.T) {
	catalog, results := sample()
	var b strings.Builder
	for _, q := range catalog.Groups[0].Questions {
		if err := Tables(&b, q, results); err != nil {
			t.Fatal(err)
		}
	}
	const want = `
What does <it> cost?

  cost: p50, ns (lower is better)
         2x1                    8x64
  ours   100 [99.0..101] 1.00x  1.50 [0.5..2.50] 0.015x
  peer   250 [249..251] 2.50x   1234 [1234..1236] 12.3x*
  wrong  -                      3.00 [2.00..4.00] 0.03x
  absent: not here: no java
  wrong, 2x1: FAILED: of 7 tasks
      5 ran
  cores: one core (1)
  * others used more than 0.1 cores meanwhile

How does it grow?

  growth: p50, ns (lower is better)
        1                       100
  ours  10.0 [9.00..11.0] 0.1x  11.0 [10.0..12.0] 0.11x
  peer  20.0 [19.0..21.0] 0.2x  -
  peer, 100: not asked: has no queue
  cores: one core (1)
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.01234: "0.0123", 0.5: "0.5", 1.239: "1.24", 12.34: "12.3", 123.4: "123", 1234567: "1234567"} {
		if got := Number(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

// TestJSON: each line is a result, and has what a reader of one line needs.
func TestJSON(t *testing.T) {
	_, results := sample()
	var b bytes.Buffer
	if err := JSON(&b, results); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != len(results) {
		t.Fatalf("%d lines for %d results", len(lines), len(results))
	}
	for i, line := range lines {
		var back harness.Result
		if err := json.Unmarshal([]byte(line), &back); err != nil || !reflect.DeepEqual(back, results[i]) {
			t.Errorf("%s is %+v, %v", line, back, err)
		}
	}
	var fields map[string]any
	if err := json.Unmarshal([]byte(lines[8]), &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"question", "system", "version", "value", "unit", "ratio", "repetitions", "spread", "placement", "x"} {
		if _, has := fields[name]; !has {
			t.Errorf("no %q in %s", name, lines[8])
		}
	}
}

// TestHTML: the page is well-formed, needs nothing beside itself, and has everything
// in it.
func TestHTML(t *testing.T) {
	catalog, results := sample()
	var b bytes.Buffer
	if err := HTML(&b, Page{
		Machine: ThisMachine(), Options: harness.Options{Repetitions: 3, Attempts: 2, Time: 200 * time.Millisecond},
		Catalog: catalog, Results: results, Command: "go run ./bench -only <cost>",
	}); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	plots := 0
	decoder := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		element, is := token.(xml.StartElement)
		if !is {
			continue
		}
		switch element.Name.Local {
		case "script", "link", "img", "iframe", "object", "image":
			t.Errorf("the page has a %s", element.Name.Local)
		case "svg":
			plots++
		}
		for _, a := range element.Attr {
			if a.Name.Local == "src" || a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") || strings.Contains(a.Value, "url(") {
				t.Errorf("the page needs %s=%q", a.Name.Local, a.Value)
			}
		}
	}
	if plots != 1 {
		t.Errorf("%d plots for one question about growth", plots)
	}
	for _, want := range []string{
		"go run ./bench -only &lt;cost&gt;", "What does &lt;it&gt; cost?", "this &amp; that", "v1.2.3", "no java", "of 7 tasks",
		"250", "249..251", "2.50x", "one core (1)", "others used up to 0.25 cores", "repeated 3 times", "200ms", "has no queue",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	if strings.Contains(page, "@import") || strings.Contains(page, "<!DOCTYPE svg") {
		t.Error("the page refers to something else")
	}
}

// TestPlotOfNothing: a curve without points is no error.
func TestPlotOfNothing(t *testing.T) {
	catalog, results := sample()
	q := catalog.Groups[0].Questions[1]
	for i := range results {
		results[i].Value = 0
	}
	for _, table := range tables(q, results) {
		if svg, err := plotOf(table); err != nil || svg != "" {
			t.Errorf("got %q, %v", svg, err)
		}
	}
}

func TestMachine(t *testing.T) {
	text := ThisMachine().String()
	for _, fact := range []string{"date: ", "Go: go", "processors: "} {
		if !strings.Contains(text, fact) {
			t.Errorf("no %q in %q", fact, text)
		}
	}
}
