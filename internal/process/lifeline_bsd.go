//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

// armLifeLine does nothing: there is no F_SETSIG, so the child has to read the end.
func armLifeLine(int, int) {}

// closeOnExecFrom marks all descriptors from first on (P8).
func closeOnExecFrom(first int) error { return closeOnExecEach(first) }
