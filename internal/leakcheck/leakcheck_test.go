package leakcheck

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakVariable makes the test binary the process that leaks: it holds a key of
// leaks.
const leakVariable = "FUTURES_LEAKCHECK_TEST_LEAK"

func TestMain(m *testing.M) {
	if name, is := os.LookupEnv(leakVariable); is {
		if leaks[name].report != "" {
			patience = 10 * time.Millisecond // what leaks here never goes away
		}
		Main(m)
	}
	os.Exit(m.Run())
}

// leaks are what a process can leave behind. The report must contain the given
// text; where it is empty there must be none.
var leaks = map[string]struct {
	leak   func() error
	report string
	linux  bool // seen on Linux only
}{
	"goroutine": {
		leak:   func() error { go func() { select {} }(); return nil },
		report: "leakcheck_test.go",
	},
	"many goroutines": {
		leak: func() error {
			for range shown + 3 {
				go func() { select {} }()
			}
			return nil
		},
		report: "and 3 more",
	},
	"descriptor": {
		leak: func() (err error) {
			held, err = os.Open(os.DevNull)
			return err
		},
		report: "descriptor ",
		linux:  true,
	},
	"socket": {
		leak: func() (err error) {
			held, err = net.Listen("tcp", "127.0.0.1:0")
			return err
		},
		report: "] 127.0.0.1:",
		linux:  true,
	},
	"child": {
		leak: func() (err error) {
			cmd := exec.Command("cat") // ends with its input, so with this process
			if held, err = cmd.StdinPipe(); err != nil {
				return err
			}
			return cmd.Start()
		},
		report: "(cat) in state ",
		linux:  true,
	},
	"name": {
		leak: func() error {
			return os.WriteFile(shmName(os.Getpid()), nil, 0o600)
		},
		report: "shared memory: /dev/shm/leakcheck",
		linux:  true,
	},
	"straggler": {
		leak: func() error { go time.Sleep(200 * time.Millisecond); return nil },
	},
	"signals": {
		leak: func() error {
			c := make(chan os.Signal, 1)
			signal.Notify(c, os.Interrupt)
			signal.Stop(c)
			return nil
		},
	},
	"nothing": {
		leak: func() error { return nil },
	},
}

var held any // keeps what is leaked from being finalized

func shmName(pid int) string { return fmt.Sprintf("/dev/shm/leakcheck-test-%d", pid) }

// TestLeak leaks in the process that TestMainReports starts.
func TestLeak(t *testing.T) {
	name, is := os.LookupEnv(leakVariable)
	if !is {
		return
	}
	if err := leaks[name].leak(); err != nil {
		t.Fatal(err)
	}
}

func TestMainReports(t *testing.T) {
	for name, test := range leaks {
		if test.linux && runtime.GOOS != "linux" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestLeak$")
			// The level system puts the runtime's own goroutines among the stacks.
			cmd.Env = append(os.Environ(), leakVariable+"="+name, "GOTRACEBACK=system")
			out, err := cmd.CombinedOutput()
			if test.linux {
				_ = os.Remove(shmName(cmd.Process.Pid))
			}
			if !strings.Contains(string(out), "PASS") {
				t.Fatalf("the test itself failed: %v\n%s", err, out)
			}
			if test.report == "" {
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				return
			}
			exit, failed := errors.AsType[*exec.ExitError](err)
			if !failed || exit.ExitCode() != 1 {
				t.Errorf("exit: %v, want code 1", err)
			}
			if !strings.Contains(string(out), test.report) {
				t.Errorf("no %q in:\n%s", test.report, out)
			}
		})
	}
}

// recorder is a test that remembers whether it was failed.
type recorder struct {
	testing.TB
	report string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.report = fmt.Sprintf(format, args...) }

func TestGoroutines(t *testing.T) {
	var passes recorder
	Goroutines(&passes, func() { go func() {}() })
	if passes.report != "" {
		t.Errorf("a goroutine that ends: %s", passes.report)
	}

	defer func(was time.Duration) { patience = was }(patience)
	patience = 10 * time.Millisecond
	stop := make(chan struct{})
	defer close(stop)
	var fails recorder
	Goroutines(&fails, func() { go func() { <-stop }() })
	if !strings.Contains(fails.report, "TestGoroutines") {
		t.Errorf("a goroutine that stays: report %q", fails.report)
	}
}
