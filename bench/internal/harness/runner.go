package harness

import (
	"context"
	"errors"
	"time"
)

// DisturbedAbove is how many cores others may use during a repetition.
const DisturbedAbove = 0.1

// Options say how thoroughly to ask.
type Options struct {
	Repetitions int           // of each run; at least 1
	Attempts    int           // at an undisturbed repetition; at least 1
	Time        time.Duration // what one run measures for, about
	Limit       time.Duration // after which a run is killed and has failed
	Quick       bool
}

// Thorough and Quick are the two ways to ask.
var (
	Thorough = Options{Repetitions: 5, Attempts: 3, Time: 200 * time.Millisecond, Limit: 2 * time.Minute}
	Quick    = Options{Repetitions: 1, Attempts: 1, Time: 10 * time.Millisecond, Limit: 30 * time.Second, Quick: true}
)

// A Runner asks the questions of a catalog. Its fields are set before Run, which is
// called once.
type Runner struct {
	Catalog Catalog
	Options Options
	// Progress, if not nil, is called before each run.
	Progress func(done, total int, doing string)
	// Emit, if not nil, is called with the results of each question, when it has
	// been asked.
	Emit func(q Question, results []Result)

	run func(context.Context, cell) sample // runChild, but in tests

	done, total int
}

// contestant is a system while one case is asked.
type contestant struct {
	system    System
	version   string
	status    Status
	reason    string
	values    [][]float64 // by metric
	disturbed int
	foreign   float64
}

// Run asks everything, and returns what it has when ctx ends.
func (r *Runner) Run(ctx context.Context) ([]Result, error) {
	if r.run == nil {
		if err := adoptOrphans(); err != nil {
			return nil, err
		}
		r.run = runChild
	}
	r.done, r.total = 0, 0
	for _, g := range r.Catalog.Groups {
		for _, q := range g.Questions {
			for _, s := range g.Systems {
				if s.Answers[q.Name] != nil {
					r.total += len(q.Cases) * r.Options.Repetitions
				}
			}
		}
	}
	var all []Result
	for _, g := range r.Catalog.Groups {
		found := make(map[string]contestant)
		for _, s := range g.Systems {
			c := contestant{system: s, status: Measured}
			version, err := s.Find(ctx)
			var unfit *broken
			switch c.version = version; {
			case errors.As(err, &unfit):
				c.status, c.reason = Failed, err.Error()
			case err != nil:
				c.status, c.reason = Missing, err.Error()
			}
			found[s.Name] = c
		}
		for _, q := range g.Questions {
			if ctx.Err() != nil {
				return all, context.Cause(ctx)
			}
			var results []Result
			for _, c := range q.Cases {
				results = append(results, r.ask(ctx, g, q, c, found)...)
			}
			if r.Emit != nil {
				r.Emit(q, results)
			}
			all = append(all, results...)
		}
	}
	return all, context.Cause(ctx)
}

// ask asks the systems of a group one case of a question.
func (r *Runner) ask(ctx context.Context, g Group, q Question, c Case, found map[string]contestant) []Result {
	var asked []*contestant
	for _, s := range g.Systems {
		one := found[s.Name]
		one.values = make([][]float64, len(q.Metrics))
		switch reason, declines := s.Declines[q.Name]; {
		case declines:
			one.status, one.reason = Declined, reason
		case s.Answers[q.Name] == nil:
			continue
		}
		asked = append(asked, &one)
	}
	for range r.Options.Repetitions {
		for _, one := range asked { // (B1)
			if _, answers := one.system.Answers[q.Name]; !answers {
				continue
			}
			r.done++
			if ctx.Err() != nil || one.status != Measured {
				continue
			}
			if r.Progress != nil {
				r.Progress(r.done, r.total, q.Name+" "+c.Name+": "+one.system.Name)
			}
			r.repeat(ctx, one, g, q, c)
		}
	}
	return tabulate(g, q, c, asked)
}

// repeat makes one repetition: attempts until one is undisturbed.
func (r *Runner) repeat(ctx context.Context, one *contestant, g Group, q Question, c Case) {
	p := c.Params
	p.Time, p.Quick = r.Options.Time, r.Options.Quick
	ask := cell{Group: g.Name, Question: q.Name, System: one.system.Name, Params: p, Limit: r.Options.Limit}
	best := sample{}
	for attempt := range r.Options.Attempts { // (B2)
		s := r.run(ctx, ask)
		switch {
		case ctx.Err() != nil:
			return // what was interrupted tells nothing
		case s.Declined != "":
			one.status, one.reason = Declined, s.Declined
			return
		case s.Error != "":
			one.status, one.reason = Failed, s.Error
			return
		}
		if attempt == 0 || s.foreign < best.foreign {
			best = s
		}
		if !s.known || s.foreign <= DisturbedAbove {
			break
		}
	}
	for i, v := range best.Values {
		one.values[i] = append(one.values[i], v)
	}
	switch {
	case !best.known:
		one.foreign = -1
	case best.foreign > DisturbedAbove:
		one.disturbed++
		fallthrough
	default:
		one.foreign = max(one.foreign, best.foreign)
	}
}

// tabulate makes results of what a case has brought.
func tabulate(g Group, q Question, c Case, asked []*contestant) []Result {
	var results []Result
	for i, m := range q.Metrics {
		ours := 0.0
		for _, one := range asked {
			row := Result{
				Group: g.Name, Question: q.Name, Metric: m.Name, Case: c.Name,
				System: one.system.Name, Version: one.version, Ours: one.system.Ours,
				Status: one.status, Reason: one.reason, Unit: m.Unit, Better: m.Better,
				Placement: placementName(c.Params.Placement), Disturbed: one.disturbed, Foreign: one.foreign,
			}
			if q.Grows != "" {
				row.X = &c.X
			}
			if one.status == Measured {
				if len(one.values[i]) == 0 {
					continue // interrupted
				}
				row.Repetitions = len(one.values[i])
				row.Value, row.Spread = summary(one.values[i])
				if one.system.Ours && ours == 0 {
					ours = row.Value
				}
			}
			results = append(results, row)
		}
		for j := range results {
			if row := &results[j]; row.Metric == m.Name && row.Status == Measured && ours > 0 {
				row.Ratio = row.Value / ours
			}
		}
	}
	return results
}
