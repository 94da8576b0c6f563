//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package process

import "syscall"

// SignalName returns the name of a signal.
func SignalName(sig syscall.Signal) string { return sig.String() }
