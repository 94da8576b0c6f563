package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"
)

// A cell is one run of one system: what a child process is told.
type cell struct {
	Group    string        `json:"group"`
	Question string        `json:"question"`
	System   string        `json:"system"`
	Params   Params        `json:"params"`
	Limit    time.Duration `json:"limit"` // after which the child is killed
}

// An answer is what a child process says, as one line of JSON on its standard
// output.
type answer struct {
	Values   []float64 `json:"values,omitempty"`
	Declined string    `json:"declined,omitempty"`
	Error    string    `json:"error,omitempty"`
}

// cellVariable is set in a child process only.
const cellVariable = "FUTURES_BENCH_CELL"

// ServeIfChild makes the process what it was started for, if that is to be a
// helper of an adapter or to run one cell; then it does not return. It is the first
// thing that main does, after the roles of the library itself.
func (c Catalog) ServeIfChild() {
	for _, g := range c.Groups {
		if g.Serve != nil {
			g.Serve()
		}
	}
	text := os.Getenv(cellVariable)
	if text == "" {
		return
	}
	// What this process starts is not another one of its kind.
	_ = os.Unsetenv(cellVariable)
	// Standard output is for the answer: whatever else is written goes elsewhere.
	out := os.Stdout
	os.Stdout = os.Stderr
	line, err := json.Marshal(c.answer(text))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// answer runs the cell that text describes.
func (c Catalog) answer(text string) answer {
	var cell cell
	if err := json.Unmarshal([]byte(text), &cell); err != nil {
		return answer{Error: err.Error()}
	}
	question, system, err := c.find(cell)
	if err != nil {
		return answer{Error: err.Error()}
	}
	// A little earlier than the parent, which can only kill.
	ctx, cancel := context.WithTimeout(context.Background(), cell.Limit*9/10)
	defer cancel()
	values, err := system.Answers[cell.Question](ctx, cell.Params)
	switch d := (*declined)(nil); {
	case errors.As(err, &d):
		return answer{Declined: d.reason}
	case err != nil:
		return answer{Error: err.Error()}
	case len(values) != len(question.Metrics):
		return answer{Error: fmt.Sprintf("%d values for %d metrics", len(values), len(question.Metrics))}
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return answer{Error: fmt.Sprintf("measured %v", values)}
		}
	}
	return answer{Values: values}
}

// find returns the question and the system of a cell.
func (c Catalog) find(cell cell) (Question, System, error) {
	for _, g := range c.Groups {
		if g.Name != cell.Group {
			continue
		}
		for _, q := range g.Questions {
			for _, s := range g.Systems {
				if q.Name == cell.Question && s.Name == cell.System && s.Answers[q.Name] != nil {
					return q, s, nil
				}
			}
		}
	}
	return Question{}, System{}, fmt.Errorf("nobody to ask: group %s, question %s, system %s", cell.Group, cell.Question, cell.System)
}
