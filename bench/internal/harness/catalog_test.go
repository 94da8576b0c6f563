package harness

import (
	"context"
	"strings"
	"testing"
)

// sampleCatalog has two groups: a1 and a2 are asked of ours, p and r (only a2); b1
// of ours and q.
func sampleCatalog() Catalog {
	run := func(context.Context, Params) ([]float64, error) { return nil, nil }
	question := func(name string) Question {
		return Question{
			Name: name, Asks: name + "?", Metrics: []Metric{{Unit: "ns"}},
			Cases: []Case{{Name: "small", Quick: true}, {Name: "large"}},
		}
	}
	system := func(name string, questions ...string) System {
		s := System{Name: name, Ours: name == "ours", Find: Go, Answers: make(map[string]Run)}
		for _, q := range questions {
			s.Answers[q] = run
		}
		return s
	}
	return Catalog{Groups: []Group{
		{Name: "a", Questions: []Question{question("a1"), question("a2")}, Systems: []System{system("ours", "a1", "a2"), system("p", "a1", "a2"), system("r", "a2")}},
		{Name: "b", Questions: []Question{question("b1")}, Systems: []System{system("ours", "b1"), system("q", "b1")}},
	}}
}

// outline writes a catalog as "a(a1 a2: ours p)".
func outline(c Catalog) string {
	var all []string
	for _, g := range c.Groups {
		var words []string
		for _, q := range g.Questions {
			words = append(words, q.Name)
		}
		words[len(words)-1] += ":"
		for _, s := range g.Systems {
			words = append(words, s.Name)
		}
		all = append(all, g.Name+"("+strings.Join(words, " ")+")")
	}
	return strings.Join(all, " ")
}

func TestOnly(t *testing.T) {
	for names, want := range map[string]string{
		"":      "a(a1 a2: ours p r) b(b1: ours q)",
		"a":     "a(a1 a2: ours p r)",
		"a1":    "a(a1: ours p r)",
		"a1 b1": "a(a1: ours p r) b(b1: ours q)",
		"p":     "a(a1 a2: ours p)",
		"r":     "a(a2: ours r)",
		"a1 p":  "a(a1: ours p)",
		"p q":   "a(a1 a2: ours p) b(b1: ours q)",
		"ours":  "a(a1 a2: ours) b(b1: ours)",
		"b q":   "b(b1: ours q)",
	} {
		part, err := sampleCatalog().Only(strings.Fields(names))
		if err != nil || outline(part) != want {
			t.Errorf("%q: %s, %v, want %s", names, outline(part), err, want)
		}
	}
	for names, want := range map[string]string{
		"a1 nosuch": `no question, system or group "nosuch"`,
		"b1 p":      "none of these systems is asked",
	} {
		_, err := sampleCatalog().Only(strings.Fields(names))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", names, err)
		}
	}
	_, err := sampleCatalog().Only([]string{"nosuch"})
	for _, known := range []string{"group a", "group b", "question a1", "question a2", "question b1", "system   p", "system   q"} {
		if err == nil || !strings.Contains(err.Error(), known) {
			t.Errorf("the error does not list %q: %v", known, err)
		}
	}
}

func TestQuickCases(t *testing.T) {
	all := sampleCatalog()
	all.Groups[1].Questions[0].Heavy = true
	quick := all.Quick()
	if n := len(quick.Groups[1].Questions); n != len(all.Groups[1].Questions)-1 {
		t.Errorf("%d questions of %d are left, of which one is heavy", n, len(all.Groups[1].Questions))
	}
	for _, g := range quick.Groups {
		for _, q := range g.Questions {
			if len(q.Cases) != 1 || q.Cases[0].Name != "small" {
				t.Errorf("%s: %+v", q.Name, q.Cases)
			}
		}
	}
	if n := len(all.Groups[0].Questions[0].Cases); n != 2 {
		t.Errorf("the whole catalog has %d cases afterwards", n)
	}
}

func TestCheck(t *testing.T) {
	if err := sampleCatalog().Check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*Catalog){
		`group "A"`:                      func(c *Catalog) { c.Groups[0].Name = "A" },
		`question "a1": not a name`:      func(c *Catalog) { c.Groups[1].Questions[0].Name = "a1" },
		`question "a 1"`:                 func(c *Catalog) { c.Groups[0].Questions[0].Name = "a 1" },
		"question a1: no metrics":        func(c *Catalog) { c.Groups[0].Questions[0].Metrics = nil },
		"question a1: no case":           func(c *Catalog) { c.Groups[0].Questions[0].Cases = c.Groups[0].Questions[0].Cases[1:] },
		`question a1: two cases "small"`: func(c *Catalog) { c.Groups[0].Questions[0].Cases[1].Name = "small" },
		"question b1: no system":         func(c *Catalog) { c.Groups[1].Systems = nil },
		`system "p,q"`:                   func(c *Catalog) { c.Groups[0].Systems[1].Name = "p,q" },
		`system "ours" of a`:             func(c *Catalog) { c.Groups[0].Systems[1].Name = "ours" },
		"system p: no Find":              func(c *Catalog) { c.Groups[0].Systems[1].Find = nil },
		`system q: answers "a1"`:         func(c *Catalog) { c.Groups[1].Systems[1].Answers["a1"] = c.Groups[1].Systems[1].Answers["b1"] },
		`system r: declines "b1"`:        func(c *Catalog) { c.Groups[0].Systems[2].Declines = map[string]string{"b1": "no"} },
		`system p: declines "a1", which`: func(c *Catalog) { c.Groups[0].Systems[1].Declines = map[string]string{"a1": "no"} },
	} {
		c := sampleCatalog()
		spoil(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestGrowth(t *testing.T) {
	cases := Growth([]int{1, 10}, []int{10}, func(n int) Params { return Params{Workers: n} })
	if len(cases) != 2 || cases[0].Quick || !cases[1].Quick || cases[1].X != 10 || cases[1].Name != "10" || cases[1].Params.Workers != 10 {
		t.Errorf("got %+v", cases)
	}
}

func TestPlaced(t *testing.T) {
	cases := Placed(Case{Name: "pause", Params: Params{Workers: 2}})
	if len(cases) != 3 || cases[0].Name != "pause, unpinned" || cases[1].Params.Placement != OneCore || cases[2].Params.Workers != 2 {
		t.Errorf("got %+v", cases)
	}
	if cases := Placed(Case{}); cases[1].Name != "one core" {
		t.Errorf("got %+v", cases)
	}
}
