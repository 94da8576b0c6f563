package process

import (
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Exit is how a process ended.
type Exit struct {
	Code   int            // the exit code, or -1 after a signal or if it could not be learnt
	Signal syscall.Signal // the signal that ended it, or 0

	UserTime   time.Duration // CPU time of the process and of its children that it has waited for
	SystemTime time.Duration
	MaxRSS     int64 // the most resident memory it had, in bytes, with what is shared; 0 if unknown

	// OOM reports that it ended for want of memory: the watchdog has killed it, or the
	// Go runtime in it has said so.
	OOM bool
	// OOMSample is the resident memory in bytes, over Spec.MemoryLimit, for which the
	// watchdog killed it, or 0.
	OOMSample int64

	// Fatal is the line with which the Go runtime announced the end on stderr, such as
	// "panic: boom" or "fatal error: concurrent map writes", or "". It is cut at 1 KiB.
	Fatal string
}

// String describes the end in one line, such as "exit code 3" or "signal: killed".
func (e Exit) String() string {
	var s string
	switch {
	case e.Signal != 0:
		s = "signal: " + e.Signal.String()
	case e.Code < 0:
		s = "exit code unknown"
	default:
		s = fmt.Sprintf("exit code %d", e.Code)
	}
	if e.OOMSample > 0 {
		s += fmt.Sprintf(", out of memory: %d bytes resident", e.OOMSample)
	} else if e.OOM {
		s += ", out of memory"
	}
	if e.Fatal != "" {
		s += ": " + e.Fatal
	}
	return s
}

// abort is SIGABRT on all systems that have it; package syscall does not always.
const abort = syscall.Signal(6)

// conclude adds what the watchdog and stderr know.
func (e *Exit) conclude(sample int64, fatal string) {
	if e.Signal == syscall.SIGKILL { // or else it was faster than the watchdog
		e.OOMSample = sample
	}
	// A Go program that panics or throws exits with 2, or with SIGABRT if GOTRACEBACK
	// is crash; the race detector's runtime exits with 66. Whatever else ended the
	// process, the line was not the reason.
	if e.Code == 2 || e.Code == 66 || e.Signal == abort {
		e.Fatal = fatal
	}
	e.OOM = e.OOMSample > 0 || outOfMemory(e.Fatal)
}

// noMemory is what the runtimes say when they are refused memory: "fatal error: runtime:
// out of memory", "fatal error: out of memory (stackalloc)", "fatal error: runtime: cannot
// allocate memory", and so on.
var noMemory = []struct{ begin, contain string }{
	{fatalError, "out of memory"},
	{fatalError, "cannot allocate memory"},
	{fatalError, "failed to reserve page summary memory"},
	{raceError, "failed to allocate"},
}

func outOfMemory(fatal string) bool {
	for _, text := range noMemory {
		if strings.HasPrefix(fatal, text.begin) && strings.Contains(fatal, text.contain) {
			return true
		}
	}
	return false
}
