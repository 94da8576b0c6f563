package harness

import (
	"fmt"
	"strings"
)

// Status tells what a result is.
type Status string

const (
	Measured Status = "measured"
	Missing  Status = "missing"  // the system is not on this machine
	Declined Status = "declined" // the system cannot be asked this
	Failed   Status = "failed"   // an error or a wrong result: the benchmark has failed
)

// A Result is one line of a report: what one system answered to one metric of a
// question, in one case. Its JSON is what -json writes.
type Result struct {
	Group    string   `json:"group"`
	Question string   `json:"question"`
	Metric   string   `json:"metric,omitempty"`
	Case     string   `json:"case,omitempty"`
	X        *float64 `json:"x,omitempty"` // of a question about growth

	System  string `json:"system"`
	Version string `json:"version,omitempty"`
	Ours    bool   `json:"ours,omitempty"`

	Status Status `json:"status"`
	Reason string `json:"reason,omitempty"` // unless measured

	// Value is the median of the repetitions, Spread their least and most.
	Value       float64 `json:"value"`
	Unit        string  `json:"unit"`
	Better      Better  `json:"better"`
	Spread      Spread  `json:"spread"`
	Repetitions int     `json:"repetitions"`
	// Ratio is Value as a multiple of ours; 0 if there is nothing to compare with.
	Ratio float64 `json:"ratio,omitempty"`

	Placement string `json:"placement"`
	// Disturbed is how many of the repetitions had more than DisturbedAbove cores
	// used by others, after as many attempts as were allowed; Foreign is the most
	// that others used during one, in cores, or -1 where that is not known.
	Disturbed int     `json:"disturbed"`
	Foreign   float64 `json:"foreign"`
}

// placementName tells on which cores a placement is.
func placementName(p Placement) string {
	if p == Unpinned {
		return "unpinned"
	}
	cores := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(coresOf(p))), ","), "[]")
	if cores == "" {
		return string(p)
	}
	return fmt.Sprintf("%s (%s)", p, cores)
}
