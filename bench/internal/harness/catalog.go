package harness

import (
	"fmt"
	"slices"
	"strings"
)

// A Group is the questions and systems of one folder of adapters.
type Group struct {
	Name      string // what -only takes, such as "goroutines"
	Title     string
	Questions []Question
	Systems   []System
	// Serve is called first of all in every process of the benchmark, if it is not
	// nil. If the process was started to be a helper of an adapter (a worker, a
	// server), Serve does that and does not return.
	Serve func()
}

// A Catalog is everything that can be asked.
type Catalog struct{ Groups []Group }

// Check returns what is wrong with the catalog: names that are not unique or that
// -only could not take, questions that nobody answers or that -quick leaves out,
// answers to questions that do not exist.
func (c Catalog) Check() error {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	questions := make(map[string]bool)
	for _, g := range c.Groups {
		if !isName(g.Name) {
			complain("group %q: not a name", g.Name)
		}
		mine := make(map[string]bool)
		for _, q := range g.Questions {
			if !isName(q.Name) || questions[q.Name] {
				complain("question %q: not a name, or not unique", q.Name)
			}
			questions[q.Name], mine[q.Name] = true, true
			if len(q.Metrics) == 0 {
				complain("question %s: no metrics", q.Name)
			}
			if !slices.ContainsFunc(q.Cases, func(c Case) bool { return c.Quick }) {
				complain("question %s: no case that -quick asks", q.Name)
			}
			if !slices.ContainsFunc(g.Systems, func(s System) bool { return s.Answers[q.Name] != nil }) {
				complain("question %s: no system answers it", q.Name)
			}
			cases := make(map[string]bool)
			for _, c := range q.Cases {
				if cases[c.Name] {
					complain("question %s: two cases %q", q.Name, c.Name)
				}
				cases[c.Name] = true
			}
		}
		systems := make(map[string]bool)
		for _, s := range g.Systems {
			if !isName(s.Name) || systems[s.Name] {
				complain("system %q of %s: not a name, or not unique", s.Name, g.Name)
			}
			systems[s.Name] = true
			if s.Find == nil {
				complain("system %s: no Find", s.Name)
			}
			for name := range s.Answers {
				if !mine[name] {
					complain("system %s: answers %q, which is no question of %s", s.Name, name, g.Name)
				}
			}
			for name := range s.Declines {
				if !mine[name] || s.Answers[name] != nil {
					complain("system %s: declines %q, which is no question of %s, or which it answers", s.Name, name, g.Name)
				}
			}
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("the catalog is wrong:\n\t%s", strings.Join(wrong, "\n\t"))
	}
	return nil
}

// isName reports whether -only can take s.
func isName(s string) bool {
	return s != "" && !strings.ContainsAny(s, ", \t\n") && s == strings.ToLower(s)
}

// Only returns the part of the catalog that names select: groups, questions and
// systems. Systems narrow the systems, the others narrow the questions; what is
// ours stays, since the others are compared with it. No names select everything.
func (c Catalog) Only(names []string) (Catalog, error) {
	if len(names) == 0 {
		return c, nil
	}
	wanted := func(name string) bool { return slices.Contains(names, name) }
	known := make(map[string]bool)
	byQuestion, bySystem := false, false
	for _, g := range c.Groups {
		known[g.Name] = true
		byQuestion = byQuestion || wanted(g.Name)
		for _, q := range g.Questions {
			known[q.Name] = true
			byQuestion = byQuestion || wanted(q.Name)
		}
		for _, s := range g.Systems {
			known[s.Name] = true
			bySystem = bySystem || wanted(s.Name)
		}
	}
	for _, name := range names {
		if !known[name] {
			return Catalog{}, fmt.Errorf("there is no question, system or group %q; there are\n%s", name, c.Names())
		}
	}
	var part Catalog
	for _, g := range c.Groups {
		if byQuestion && !wanted(g.Name) {
			g.Questions = keep(g.Questions, func(q Question) bool { return wanted(q.Name) })
		}
		if bySystem {
			if !slices.ContainsFunc(g.Systems, func(s System) bool { return wanted(s.Name) }) {
				continue
			}
			g.Systems = keep(g.Systems, func(s System) bool { return s.Ours || wanted(s.Name) })
			g.Questions = keep(g.Questions, func(q Question) bool {
				return slices.ContainsFunc(g.Systems, func(s System) bool {
					return wanted(s.Name) && (s.Answers[q.Name] != nil || s.Declines[q.Name] != "")
				})
			})
		}
		if len(g.Questions) > 0 {
			part.Groups = append(part.Groups, g)
		}
	}
	if len(part.Groups) == 0 {
		return Catalog{}, fmt.Errorf("none of these systems is asked any of these questions: %s", strings.Join(names, ", "))
	}
	return part, nil
}

// Quick returns the part of the catalog that -quick asks.
func (c Catalog) Quick() Catalog {
	var part Catalog
	for _, g := range c.Groups {
		g.Systems = keep(g.Systems, func(s System) bool { return !s.Heavy })
		g.Questions = keep(g.Questions, func(q Question) bool { return !q.Heavy })
		for i := range g.Questions {
			q := &g.Questions[i]
			q.Cases = keep(q.Cases, func(c Case) bool { return c.Quick })
		}
		part.Groups = append(part.Groups, g)
	}
	return part
}

// Names lists what -only takes.
func (c Catalog) Names() string {
	var b strings.Builder
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "  group %s\n", g.Name)
		for _, q := range g.Questions {
			fmt.Fprintf(&b, "    question %-18s %s\n", q.Name, q.Asks)
		}
		for _, s := range g.Systems {
			fmt.Fprintf(&b, "    system   %-18s %s\n", s.Name, s.About)
		}
	}
	return b.String()
}

func keep[T any](all []T, want func(T) bool) []T {
	var kept []T
	for _, v := range all {
		if want(v) {
			kept = append(kept, v)
		}
	}
	return kept
}
