package futures

import "fmt"

// State says where a future stands.
type State uint8

const (
	Pending   State = iota // no worker is on it: queued, or between two attempts
	Running                // a worker has started it
	Succeeded              // it has a value
	Failed                 // it has an error of its own, or was refused
	Cancelled              // it was stopped by Cancel, by its context or by Shutdown
)

var stateNames = [...]string{"pending", "running", "succeeded", "failed", "cancelled"}

// String returns the state's name in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Done reports whether s is final.
func (s State) Done() bool { return s >= Succeeded }
