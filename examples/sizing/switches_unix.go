//go:build unix

package main

import "syscall"

// contextSwitches returns how often the kernel has taken a processor from a
// thread of this process, or a thread has given it back.
func contextSwitches() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return int64(usage.Nvcsw) + int64(usage.Nivcsw)
}
