package harness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// scripted is a runner whose runs are played from scripts: for each system the
// samples in their order, the last one for ever.
type scripted struct {
	runs    map[string][]sample
	asked   []string // the systems in the order in which they were asked
	emitted []Result
}

func (s *scripted) run(_ context.Context, c cell) sample {
	s.asked = append(s.asked, c.System)
	script := s.runs[c.System]
	if len(script) > 1 {
		s.runs[c.System] = script[1:]
	}
	return script[0]
}

// measured is an undisturbed sample.
func measured(v float64) sample { return disturbed(v, 0) }

func disturbed(v, foreign float64) sample {
	return sample{answer: answer{Values: []float64{v}}, foreign: foreign, known: true}
}

// play asks one question of the systems of a script, in the order of their names;
// those that begin with "ours" are ours.
func (s *scripted) play(t *testing.T, ctx context.Context, o Options, change func(*Group)) []Result {
	t.Helper()
	g := Group{Name: "group", Questions: []Question{{
		Name: "question", Metrics: []Metric{{Unit: "ns", Better: Lower}}, Cases: []Case{{Name: "case", Quick: true}},
	}}}
	var names []string
	for name := range s.runs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		g.Systems = append(g.Systems, System{
			Name: name, Ours: strings.HasPrefix(name, "ours"),
			Find:    func(context.Context) (string, error) { return "v1", nil },
			Answers: map[string]Run{"question": func(context.Context, Params) ([]float64, error) { panic("not called here") }},
		})
	}
	if change != nil {
		change(&g)
	}
	r := &Runner{
		Catalog: Catalog{Groups: []Group{g}}, Options: o, run: s.run,
		Emit: func(_ Question, results []Result) { s.emitted = append(s.emitted, results...) },
	}
	results, err := r.Run(ctx)
	if !errors.Is(err, ctx.Err()) {
		t.Errorf("Run returned %v", err)
	}
	if len(s.emitted) != len(results) {
		t.Errorf("%d results were emitted, %d returned", len(s.emitted), len(results))
	}
	return results
}

// TestInterleaved: B1.
func TestInterleaved(t *testing.T) {
	s := &scripted{runs: map[string][]sample{
		"a":    {measured(30), measured(10), measured(20)},
		"b":    {measured(5)},
		"ours": {measured(40), measured(40), measured(10)},
	}}
	results := s.play(t, t.Context(), Options{Repetitions: 3, Attempts: 1}, nil)
	if want := "a b ours a b ours a b ours"; strings.Join(s.asked, " ") != want {
		t.Errorf("asked %v, want %v", s.asked, want)
	}
	a := results[0]
	if a.Value != 20 || a.Spread != (Spread{10, 30}) || a.Repetitions != 3 || a.Ratio != 0.5 || a.Status != Measured || a.Version != "v1" {
		t.Errorf("a: %+v", a)
	}
	if ours := results[2]; ours.Ratio != 1 || ours.Value != 40 || !ours.Ours {
		t.Errorf("ours: %+v", ours)
	}
}

// TestRatioToFirstOfOurs: of several systems of ours the first is the measure.
func TestRatioToFirstOfOurs(t *testing.T) {
	s := &scripted{runs: map[string][]sample{"ours-1": {measured(10)}, "ours-2": {measured(20)}, "peer": {measured(40)}}}
	results := s.play(t, t.Context(), Options{Repetitions: 1, Attempts: 1}, nil)
	if results[0].Ratio != 1 || results[1].Ratio != 2 || results[2].Ratio != 4 {
		t.Errorf("got %+v", results)
	}
	s = &scripted{runs: map[string][]sample{"peer": {measured(40)}}}
	if results := s.play(t, t.Context(), Options{Repetitions: 1, Attempts: 1}, nil); results[0].Ratio != 0 {
		t.Errorf("with nothing to compare with: %+v", results)
	}
}

// TestDisturbed: B2.
func TestDisturbed(t *testing.T) {
	t.Run("is repeated", func(t *testing.T) {
		s := &scripted{runs: map[string][]sample{"a": {disturbed(99, 0.5), disturbed(98, 0.2), measured(10), measured(12)}}}
		results := s.play(t, t.Context(), Options{Repetitions: 2, Attempts: 3}, nil)
		if r := results[0]; len(s.asked) != 4 || r.Value != 11 || r.Disturbed != 0 || r.Repetitions != 2 || r.Foreign != 0 {
			t.Errorf("asked %d times: %+v", len(s.asked), r)
		}
	})
	t.Run("is marked when no attempt is left", func(t *testing.T) {
		s := &scripted{runs: map[string][]sample{"a": {disturbed(99, 0.5), disturbed(10, 0.2), disturbed(98, 0.3)}}}
		results := s.play(t, t.Context(), Options{Repetitions: 1, Attempts: 3}, nil)
		// The least disturbed of the attempts counts.
		if r := results[0]; len(s.asked) != 3 || r.Value != 10 || r.Disturbed != 1 || r.Foreign != 0.2 {
			t.Errorf("asked %d times: %+v", len(s.asked), r)
		}
	})
	t.Run("a little is allowed", func(t *testing.T) {
		s := &scripted{runs: map[string][]sample{"a": {disturbed(10, DisturbedAbove)}}}
		results := s.play(t, t.Context(), Options{Repetitions: 1, Attempts: 3}, nil)
		if r := results[0]; len(s.asked) != 1 || r.Disturbed != 0 || r.Foreign != DisturbedAbove {
			t.Errorf("asked %d times: %+v", len(s.asked), r)
		}
	})
	t.Run("is not known", func(t *testing.T) {
		s := &scripted{runs: map[string][]sample{"a": {{answer: answer{Values: []float64{10}}}}}}
		results := s.play(t, t.Context(), Options{Repetitions: 1, Attempts: 3}, nil)
		if r := results[0]; len(s.asked) != 1 || r.Disturbed != 0 || r.Foreign != -1 {
			t.Errorf("asked %d times: %+v", len(s.asked), r)
		}
	})
}

// TestNotMeasured: what is missing, declines or fails is a line, and is not asked
// again.
func TestNotMeasured(t *testing.T) {
	s := &scripted{runs: map[string][]sample{
		"broken":   {measured(1)},
		"declined": {measured(1)},
		"declines": {{answer: answer{Declined: "has no queue"}}},
		"fails":    {measured(1), {answer: answer{Error: "lost a task"}}},
		"missing":  {measured(1)},
		"works":    {measured(1)},
	}}
	results := s.play(t, t.Context(), Options{Repetitions: 3, Attempts: 1}, func(g *Group) {
		for i := range g.Systems {
			switch g.Systems[i].Name {
			case "broken":
				g.Systems[i].Find = func(context.Context) (string, error) { return "v2", Broken(errors.New("does not compile")) }
			case "declined":
				g.Systems[i].Answers, g.Systems[i].Declines = nil, map[string]string{"question": "blocks"}
			case "missing":
				g.Systems[i].Find = func(context.Context) (string, error) { return "", errors.New("no java") }
			}
		}
	})
	want := map[string]Result{
		"broken":   {Status: Failed, Reason: "does not compile"},
		"declined": {Status: Declined, Reason: "blocks"},
		"declines": {Status: Declined, Reason: "has no queue"},
		"fails":    {Status: Failed, Reason: "lost a task"},
		"missing":  {Status: Missing, Reason: "no java"},
		"works":    {Status: Measured},
	}
	for _, r := range results {
		if w := want[r.System]; r.Status != w.Status || r.Reason != w.Reason || (r.Value != 0) != (r.Status == Measured) {
			t.Errorf("%s: %+v", r.System, r)
		}
		delete(want, r.System)
	}
	if len(want) > 0 {
		t.Errorf("no results for %v", want)
	}
	if got := strings.Join(s.asked, " "); got != "declines fails works fails works works" {
		t.Errorf("asked %s", got)
	}
}

// TestInterrupted: what has been measured is reported when the context ends.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &scripted{runs: map[string][]sample{"a": {measured(10)}, "b": {measured(1)}}}
	r := &Runner{Options: Options{Repetitions: 3, Attempts: 1}, Catalog: Catalog{Groups: []Group{{Name: "g"}}}}
	g := &r.Catalog.Groups[0]
	for _, name := range []string{"first", "second"} {
		g.Questions = append(g.Questions, Question{Name: name, Metrics: []Metric{{}}, Cases: []Case{{}}})
	}
	for _, name := range []string{"a", "b"} {
		never := func(context.Context, Params) ([]float64, error) { panic("not called here") }
		g.Systems = append(g.Systems, System{
			Name: name, Find: Go, Answers: map[string]Run{"first": never, "second": never},
		})
	}
	r.run = func(ctx context.Context, c cell) sample {
		if c.System == "b" {
			cancel()
		}
		return s.run(ctx, c)
	}
	results, err := r.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v", err)
	}
	if len(results) != 1 || results[0].System != "a" || results[0].Question != "first" || results[0].Repetitions != 1 {
		t.Errorf("got %+v", results)
	}
}

// TestProgress: it counts what there is to do, and ends there.
func TestProgress(t *testing.T) {
	r := &Runner{
		Options: Options{Repetitions: 2, Attempts: 1}, Catalog: roles(),
		run: func(context.Context, cell) sample { return measured(1) },
	}
	var steps []int
	r.Progress = func(done, total int, _ string) {
		if want := 2 * len(roles().Groups[0].Systems); total != want {
			t.Errorf("%d in all, want %d", total, want)
		}
		steps = append(steps, done)
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(steps) == 0 || !slices.IsSorted(steps) || steps[len(steps)-1] != 2*len(roles().Groups[0].Systems) {
		t.Errorf("steps %v", steps)
	}
}
