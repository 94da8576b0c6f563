package report

import (
	"bytes"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/futures-go/futures/bench/internal/harness"
)

// plotOf draws a table whose columns grow: a curve for each system, both axes
// logarithmic. It returns an svg element.
func plotOf(t table) (string, error) {
	p := plot.New()
	p.X.Label.Text = t.question.Grows
	p.Y.Label.Text = t.measure()
	logarithmic(&p.X)
	logarithmic(&p.Y)
	p.Add(plotter.NewGrid())
	p.Legend.Top = true
	p.Legend.Left = false
	p.Legend.XOffs = vg.Points(legendRoom - 10)

	drawn := 0
	for i, row := range t.rows {
		var points plotter.XYs
		for _, cell := range row.cells {
			// A logarithm has no place for nothing.
			if cell != nil && cell.Status == harness.Measured && cell.X != nil && *cell.X > 0 && cell.Value > 0 {
				points = append(points, plotter.XY{X: *cell.X, Y: cell.Value})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return "", err
		}
		line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i)
		line.Dashes, dots.Shape = plotutil.Dashes(i/len(plotutil.DefaultColors)), plotutil.Shape(i)
		if row.ours {
			line.Width = vg.Points(3)
		}
		p.Add(line, dots)
		p.Legend.Add(row.system, line, dots)
		drawn++
	}
	if drawn == 0 {
		return "", nil
	}
	return svgOf(p)
}

// logarithmic makes an axis one.
func logarithmic(a *plot.Axis) {
	a.Scale = plot.LogScale{}
	a.Tick.Marker = plot.LogTicks{Prec: -1}
	a.AutoRescale = true
}

const (
	plotWidth  = 26 * vg.Centimeter
	plotHeight = 12 * vg.Centimeter
	legendRoom = 160 // points
)

// svgOf draws a plot with its legend beside it.
func svgOf(p *plot.Plot) (string, error) {
	canvas := vgsvg.New(plotWidth, plotHeight)
	area := draw.New(canvas)
	p.Draw(draw.Crop(area, 0, -vg.Points(legendRoom), 0, 0))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	// Inside a page of HTML the element stands without the declarations of a file.
	text := b.String()
	return text[max(0, strings.Index(text, "<svg")):], nil
}
