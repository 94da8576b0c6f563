package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/futures-go/futures/bench/internal/harness"
)

// A Page is everything that a page of HTML tells.
type Page struct {
	Machine Machine
	Options harness.Options
	Catalog harness.Catalog // what was asked
	Results []harness.Result
	Command string
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// The data of the template.
type (
	pageData struct {
		Page
		Above  float64
		Groups []groupData
	}
	groupData struct {
		Title     string
		Systems   []systemData
		Questions []questionData
	}
	systemData   struct{ Name, Version, About string }
	questionData struct {
		Name, Asks string
		Tables     []tableData
	}
	tableData struct {
		Title   string
		Columns []string
		Rows    []rowData
		Plot    template.HTML
	}
	rowData struct {
		System string
		Ours   bool
		Aside  string // instead of cells
		Cells  []cellData
	}
	cellData struct{ Value, Spread, Ratio, Note, Class string }
)

// HTML writes a page that needs nothing beside itself: no script, no style sheet, no
// image from elsewhere.
func HTML(w io.Writer, p Page) error {
	data := pageData{Page: p, Above: harness.DisturbedAbove}
	for _, g := range p.Catalog.Groups {
		gd := groupData{Title: g.Title}
		for _, s := range g.Systems {
			gd.Systems = append(gd.Systems, systemData{s.Name, versionOf(p.Results, g.Name, s.Name), s.About})
		}
		for _, q := range g.Questions {
			qd := questionData{Name: q.Name, Asks: q.Asks}
			for _, t := range tables(q, p.Results) {
				if len(t.rows) == 0 {
					continue
				}
				td := t.data()
				if q.Grows != "" {
					svg, err := plotOf(t)
					if err != nil {
						return fmt.Errorf("the plot of %s: %w", q.Name, err)
					}
					td.Plot = template.HTML(svg)
				}
				qd.Tables = append(qd.Tables, td)
			}
			if len(qd.Tables) > 0 {
				gd.Questions = append(gd.Questions, qd)
			}
		}
		data.Groups = append(data.Groups, gd)
	}
	return pageTemplate.Execute(w, data)
}

// versionOf returns the version of a system, or why there is none.
func versionOf(results []harness.Result, group, system string) string {
	for _, r := range results {
		if r.Group == group && r.System == system {
			if r.Status == harness.Missing {
				return "not here: " + r.Reason
			}
			return r.Version
		}
	}
	return "not asked"
}

func (t table) data() tableData {
	td := tableData{Title: t.title(), Columns: t.columns}
	for _, r := range t.rows {
		rd := rowData{System: r.system, Ours: r.ours, Aside: r.aside()}
		for _, cell := range r.cells {
			rd.Cells = append(rd.Cells, cellOf(cell))
		}
		td.Rows = append(td.Rows, rd)
	}
	return td
}

func cellOf(r *harness.Result) cellData {
	if r == nil {
		return cellData{}
	}
	if r.Status != harness.Measured {
		return cellData{Value: "–", Note: aside(r), Class: string(r.Status)}
	}
	c := cellData{
		Value: Number(r.Value),
		Note:  fmt.Sprintf("%d repetitions, %s", r.Repetitions, r.Placement),
		Class: string(r.Status),
	}
	if r.Repetitions > 1 {
		c.Spread = fmt.Sprintf("%s..%s", Number(r.Spread.Least), Number(r.Spread.Most))
	}
	if r.Ratio > 0 {
		c.Ratio = Number(r.Ratio) + "x"
	}
	if r.Foreign >= 0 {
		c.Note += fmt.Sprintf(", others used up to %.2f cores", r.Foreign)
	}
	if r.Disturbed > 0 {
		c.Class += " disturbed"
		c.Note += fmt.Sprintf(", %d disturbed", r.Disturbed)
	}
	return c
}
