package main

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	leakcheck.Main(m, runtime.GC) // what was closed is let go of by the collector
}

func TestTutorial(t *testing.T) {
	for range 3 {
		var out strings.Builder
		if err := run(nil, &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`after all: 5 done, 0 not`, `/120: "a page that took 120 ms", error <nil>`,
			`after +\d+ ms: a page that took 60 ms`,
			`with a lock: 1000 of 1000`, `without: `,
			`sum: 49999995000000\nsum: 50009995499500\nsum: 50019996999000\nan error of ours: .*: -1`, `logged at Close: .*: -2`, `after Close: .*closed`,
			`above 10000 is 10201\nthose before it sum up to 338350; 109 numbers were read`,
			`cancel a queued one: true, it is cancelled`, `it is cancelled with "futures: cancelled"`, `ErrTimeout is true`,
			`stop waiting: "futures: wait ended: context deadline exceeded", the task is running`, `attempt 3 went well`,
			`sum: 499999500000\nsum: 1999999000000\nan error of ours, from another process: .*: -1`, `this is process (\d+), a task ran in process \d+`,
			`the worker lives: a plain panic\nexit: .* exit code 3, .*\npanic elsewhere: .* exit code 2, .*\n.*right again: 499500 <nil>`,
			`the squares of 0 to 4, through one queue, sum up to 30; from other processes only: true`,
			`with the lock: 600000 of 600000\nwith Add: 600000 of 600000\nwithout a lock: .*600000`,
			`through the pipe: one\nthrough the pipe: two\nthrough the pipe: three\nand its end; error <nil>`,
		} {
			if !regexp.MustCompile(want).MatchString(out.String()) {
				t.Errorf("the output lacks %s:\n%s", want, out.String())
			}
		}
	}
}

func TestOnePart(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"-part", "sums"}, &out); err != nil || strings.Count(out.String(), "---") != 1 {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := run([]string{"-part", "nothing"}, &out); err == nil || !strings.Contains(err.Error(), "there is wait, completed") {
		t.Errorf("got %v", err)
	}
}
