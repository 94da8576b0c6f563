package harness

import (
	"fmt"
	"time"
)

// A Question is asked of every system that answers it.
type Question struct {
	// Name is what -only takes and what a line of JSON has: lower case, no spaces,
	// unique among the questions of all groups.
	Name string
	// Asks is the question as a sentence, with the unit and what is counted.
	Asks string
	// Metrics is what one run measures: as many values as a Run returns.
	Metrics []Metric
	// Cases are the columns of the table, or the points of the curve.
	Cases []Case
	// Grows names the axis of a question about growth, such as "workers"; each
	// case has its X then. It is empty for a table.
	Grows string
	// Heavy marks what takes seconds to set up: -quick leaves it out.
	Heavy bool
}

// A Metric is one value that a run measures.
type Metric struct {
	Name   string // such as "p50"; empty if the question has no other metric
	Unit   string // such as "ns", "bytes", "tasks/s"
	Better Better
}

// Better tells which values are the better ones.
type Better string

const (
	Lower  Better = "lower"
	Higher Better = "higher"
)

// A Case is one setting in which a question is asked.
type Case struct {
	Name   string  // head of the column, such as "2x64"; unique in the question
	X      float64 // where it stands on the axis, if something grows
	Params Params
	// Quick lets -quick ask this case, if the question is not heavy. Each question has
	// at least one such case, so that nothing rots unseen.
	Quick bool
}

// Params is what a Run is told. A case sets what its question is about and leaves
// the rest zero; Time and Quick are the runner's to set.
type Params struct {
	Workers    int           `json:"workers,omitempty"`    // goroutines, threads or processes that run tasks
	Submitters int           `json:"submitters,omitempty"` // goroutines or threads that submit
	Tasks      int           `json:"tasks,omitempty"`      // how many are queued, mapped, ...
	InFlight   int           `json:"inFlight,omitempty"`   // how many are submitted before results are read
	Payload    int           `json:"payload,omitempty"`    // bytes of an argument, a result, a message
	Work       time.Duration `json:"work,omitempty"`       // what a task takes; 0 for an empty one
	Pause      time.Duration `json:"pause,omitempty"`      // between two operations of a latency question
	Lease      time.Duration `json:"lease,omitempty"`      // how long a worker may be silent before its task goes to another one
	Placement  Placement     `json:"placement,omitempty"`  // already in force when the Run is called

	Time  time.Duration `json:"time"`  // how long to measure, about
	Quick bool          `json:"quick"` // one look is enough
}

// Placement tells on which cores a run is allowed: it, and the processes that it
// starts.
type Placement string

const (
	Unpinned Placement = ""          // wherever the kernel likes
	OneCore  Placement = "one core"  // all threads on one
	TwoCores Placement = "two cores" // all threads on the same two
)

// Placed returns three cases of one: unpinned, on one core, on two. Questions of
// latency are asked so, because waking an idle core costs ten times what a
// switch on a busy one does.
func Placed(c Case) []Case {
	var cases []Case
	for _, p := range []Placement{Unpinned, OneCore, TwoCores} {
		placed := c
		placed.Params.Placement = p
		name := string(p)
		if p == Unpinned {
			name = "unpinned"
		}
		placed.Name = name
		if c.Name != "" {
			placed.Name = c.Name + ", " + name
		}
		cases = append(cases, placed)
	}
	return cases
}

// Growth returns the cases of a question about growth: one for each x, named
// after it. quick are the values of x that -quick asks too.
func Growth(xs []int, quick []int, params func(x int) Params) []Case {
	var cases []Case
	for _, x := range xs {
		c := Case{Name: fmt.Sprint(x), X: float64(x), Params: params(x)}
		for _, q := range quick {
			c.Quick = c.Quick || q == x
		}
		cases = append(cases, c)
	}
	return cases
}
