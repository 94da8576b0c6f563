//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

// holdsEnd: there is no signal that a read end here would help.
const holdsEnd = false

func newLifeLine() (end, life int, err error) { return rawPipe() }

// armLifeLine does nothing: there is no F_SETSIG, so the child has to read the end.
func armLifeLine(int, int) {}

// closeOnExecFrom marks all descriptors from first on (P8).
func closeOnExecFrom(first int) error { return closeOnExecEach(first) }
