package leakcheck

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// The test binary plays the one that leaks: see TestMain.
const leakVariable = "LEAKCHECK_TEST_LEAK"

func TestMain(m *testing.M) {
	if os.Getenv(leakVariable) != "" {
		Main(m)
	}
	os.Exit(m.Run())
}

// TestLeaker leaks what it is told to, in a process of its own.
func TestLeaker(t *testing.T) {
	switch os.Getenv(leakVariable) {
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		runtime.SetFinalizer(f, nil)
		leaked = f
	case "child":
		cmd := exec.Command("sleep", "6")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	case "late":
		go time.Sleep(300 * time.Millisecond) // gone before patience runs out
	}
}

var leaked *os.File

func TestMainReports(t *testing.T) {
	for _, test := range []struct{ leak, want string }{
		{"goroutine", "TestLeaker"},
		{"descriptor", os.DevNull},
		{"child", "sleep"},
		{"late", ""},
		{"nothing", ""},
	} {
		if runtime.GOOS != "linux" && (test.leak == "descriptor" || test.leak == "child") {
			continue
		}
		t.Run(test.leak, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestLeaker$")
			cmd.Env = append(os.Environ(), leakVariable+"="+test.leak)
			out, err := cmd.CombinedOutput()
			if (err != nil) != (test.want != "") {
				t.Fatalf("leak of %s: error %v, output:\n%s", test.leak, err, out)
			}
			if !strings.Contains(string(out), test.want) {
				t.Fatalf("leak of %s: output lacks %q:\n%s", test.leak, test.want, out)
			}
		})
	}
}

func TestGoroutines(t *testing.T) {
	Goroutines(t, func() { go func() {}() })
	before := goroutines()
	stop := make(chan struct{})
	go func() { <-stop }()
	if left := newGoroutines(before, goroutines()); len(left) != 1 {
		t.Errorf("%d new goroutines, want 1", len(left))
	}
	close(stop)
}
