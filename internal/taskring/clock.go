package taskring

import "time"

var (
	epoch       = time.Now()
	epochOffset = monotonic()
)

// Monotonic returns the time of a clock that all processes of the machine share, in
// nanoseconds.
func Monotonic() int64 { return epochOffset + int64(time.Since(epoch)) }
