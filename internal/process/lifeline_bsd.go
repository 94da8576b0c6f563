//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

// guard is nothing here: there is no signal for it to send.
type guard struct{}

var noGuard guard

func newGuard() (guard, error) { return guard{}, nil }
func (guard) arm(int)          {}
func (guard) close()           {}

// armLifeLine does nothing: there is no F_SETSIG, so the child has to read the end.
func armLifeLine(int, int) {}

// closeOnExecFrom marks all descriptors from first on (P8).
func closeOnExecFrom(first int) error { return closeOnExecEach(first) }
