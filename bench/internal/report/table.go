package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/futures-go/futures/bench/internal/harness"
)

// A table is the answers to one metric of a question: a row for each system, a
// column for each case.
type table struct {
	question harness.Question
	metric   harness.Metric
	columns  []string
	rows     []row
}

type row struct {
	system, version string
	ours            bool
	cells           []*harness.Result // nil where the system was not asked
}

// tables arranges the results of a question.
func tables(q harness.Question, results []harness.Result) []table {
	var all []table
	for _, m := range q.Metrics {
		t := table{question: q, metric: m}
		for _, c := range q.Cases {
			t.columns = append(t.columns, c.Name)
		}
		for i := range results {
			r := &results[i]
			column := slices.Index(t.columns, r.Case)
			if r.Question != q.Name || r.Metric != m.Name || column < 0 {
				continue
			}
			at := slices.IndexFunc(t.rows, func(row row) bool { return row.system == r.System })
			if at < 0 {
				at = len(t.rows)
				t.rows = append(t.rows, row{r.System, r.Version, r.Ours, make([]*harness.Result, len(t.columns))})
			}
			t.rows[at].cells[column] = r
		}
		all = append(all, t)
	}
	return all
}

// title names a table.
func (t table) title() string {
	return fmt.Sprintf("%s: %s (%s is better)", t.question.Name, t.measure(), t.metric.Better)
}

// measure names what is measured and its unit.
func (t table) measure() string {
	if t.metric.Name == "" || t.metric.Name == t.metric.Unit {
		return t.metric.Unit
	}
	return t.metric.Name + ", " + t.metric.Unit
}

// aside returns what stands in a row instead of values, if nothing was measured:
// what is missing, or why the question cannot be asked.
func (r row) aside() string {
	text := ""
	for _, cell := range r.cells {
		if cell == nil {
			continue
		}
		if cell.Status == harness.Measured || text != "" && text != aside(cell) {
			return ""
		}
		text = aside(cell)
	}
	return text
}

func aside(r *harness.Result) string {
	reason := strings.ReplaceAll(r.Reason, "\n", "\n      ")
	switch r.Status {
	case harness.Failed:
		return "FAILED: " + reason
	case harness.Missing:
		return "not here: " + reason
	}
	return "not asked: " + reason
}

// values formats a measured cell: median, spread, ratio to ours. A star marks one
// whose repetitions were disturbed.
func values(r *harness.Result) string {
	text := Number(r.Value)
	if r.Repetitions > 1 {
		text += fmt.Sprintf(" [%s..%s]", Number(r.Spread.Least), Number(r.Spread.Most))
	}
	if r.Ratio > 0 {
		text += fmt.Sprintf(" %sx", Number(r.Ratio))
	}
	if r.Disturbed > 0 {
		text += "*"
	}
	return text
}

// placements lists the cores of a table's cases, those aside that were free to choose.
func (t table) placements() (places []string) {
	for _, r := range t.rows {
		for _, cell := range r.cells {
			if cell != nil && cell.Placement != "unpinned" && !slices.Contains(places, cell.Placement) {
				places = append(places, cell.Placement)
			}
		}
	}
	return places
}

// Number formats a value with three digits, or all of those before the point.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// Tables prints the answers to a question: the median of each system with its
// spread in brackets and its ratio to ours.
func Tables(w io.Writer, q harness.Question, results []harness.Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n", q.Asks)
	for _, t := range tables(q, results) {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n  %s\n", t.title())
		tab := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(tab, "  \t%s\n", strings.Join(t.columns, "\t"))
		disturbed := false
		var notes []string
		for _, row := range t.rows {
			if text := row.aside(); text != "" {
				notes = append(notes, row.system+": "+text)
				continue
			}
			fmt.Fprintf(tab, "  %s", row.system)
			for _, cell := range row.cells {
				text := ""
				switch {
				case cell == nil:
				case cell.Status == harness.Measured:
					text = values(cell)
					disturbed = disturbed || cell.Disturbed > 0
				default:
					text = "-"
					if note := row.system + ", " + cell.Case + ": " + aside(cell); !slices.Contains(notes, note) {
						notes = append(notes, note)
					}
				}
				fmt.Fprintf(tab, "\t%s", text)
			}
			fmt.Fprintln(tab)
		}
		if err := tab.Flush(); err != nil {
			return err
		}
		for _, note := range notes {
			fmt.Fprintf(&b, "  %s\n", note)
		}
		if places := t.placements(); len(places) > 0 {
			fmt.Fprintf(&b, "  cores: %s\n", strings.Join(places, ", "))
		}
		if disturbed {
			fmt.Fprintf(&b, "  * others used more than %v cores meanwhile\n", harness.DisturbedAbove)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
