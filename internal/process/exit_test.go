package process

import (
	"fmt"
	"syscall"
	"testing"
)

func TestFatalAndOOM(t *testing.T) {
	for _, test := range []struct {
		exit   Exit
		sample int64
		stderr []string
		fatal  string
		oom    bool
	}{
		{Exit{Code: 2}, 0, nil, "", false},
		{Exit{Code: 2}, 0, []string{"panic: a", "goroutine 1", "panic: b"}, "panic: b", false},
		{Exit{Code: 1}, 0, []string{"panic: only logged"}, "", false},
		{Exit{Code: 2}, 0, []string{"12%...fatal error: runtime: out of memory"}, "fatal error: runtime: out of memory", true},
		{Exit{Code: 2}, 0, []string{"runtime: out of memory: cannot allocate 67108864-byte block (1 in use)", "fatal error: out of memory"}, "fatal error: out of memory", true},
		{Exit{Code: 2}, 0, []string{"fatal error: runtime: cannot allocate memory"}, "fatal error: runtime: cannot allocate memory", true},
		{Exit{Code: 2}, 0, []string{"fatal error: out of memory (stackalloc)"}, "fatal error: out of memory (stackalloc)", true},
		{Exit{Code: 66}, 0, []string{"==5==ERROR: ThreadSanitizer failed to allocate 0x8000000 bytes (errno: 12)"}, "ERROR: ThreadSanitizer failed to allocate 0x8000000 bytes (errno: 12)", true},
		{Exit{Code: 2}, 0, []string{"panic: out of memory"}, "panic: out of memory", false},
		{Exit{Code: 0}, 0, []string{"fatal error: out of memory"}, "", false},
		{Exit{Code: -1, Signal: abort}, 0, []string{"fatal error: out of memory", "SIGQUIT: quit"}, "fatal error: out of memory", true},
		{Exit{Code: 2}, 0, []string{"SIGQUIT: quit"}, "SIGQUIT: quit", false},
		{Exit{Code: -1, Signal: syscall.SIGKILL}, 5000, nil, "", true},
		{Exit{Code: -1, Signal: syscall.SIGKILL}, 0, []string{"fatal error: out of memory"}, "", false},
		{Exit{Code: 0}, 5000, nil, "", false}, // it ended before the kill came
	} {
		var r record
		for _, line := range test.stderr {
			r.line([]byte(line))
		}
		_, _, fatal := r.last()
		exit := test.exit
		exit.conclude(test.sample, fatal)
		if exit.Fatal != test.fatal || exit.OOM != test.oom {
			t.Errorf("%v after %q: fatal %q, OOM %v", test.exit, test.stderr, exit.Fatal, exit.OOM)
		}
	}
}

func TestExitString(t *testing.T) {
	for want, exit := range map[string]Exit{
		"exit code 0":                         {},
		"exit code 2: panic: boom":            {Code: 2, Fatal: "panic: boom"},
		"exit code unknown":                   {Code: -1},
		"exit code 2, out of memory: fatal x": {Code: 2, OOM: true, Fatal: "fatal x"},
		fmt.Sprintf("signal: %v, out of memory: 7 bytes resident", syscall.SIGKILL): {Code: -1, Signal: syscall.SIGKILL, OOM: true, OOMSample: 7},
	} {
		if got := exit.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
