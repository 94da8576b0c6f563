package procpool_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/internal/process"
)

// hows are the rows of the README's table of what recover cannot save one from, by what a
// task does.
var hows = map[string]string{
	"returns an error":                     "error",
	"panics":                               "panic",
	"calls `runtime.Goexit`":               "goexit",
	"panics in a goroutine that it starts": "panic in a goroutine",
	"writes a map from two goroutines":     "map race",
	"overflows its stack":                  "stack overflow",
	"runs out of memory":                   "out of memory",
	"calls `os.Exit`":                      "os.Exit",
	"calls `log.Fatal`":                    "log.Fatal",
	"unlocks an unlocked mutex":            "unlock",
	"is hit by a signal, as C code may be": "SIGSEGV",
}

// playGoroutines is the role of a program that does on goroutines what the environment
// says, and lives on or not.
func playGoroutines() {
	how := os.Getenv("PROCPOOL_TEST_HOW")
	if how == "out of memory" {
		if err := process.LimitData(256 << 20); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	pool := gopool.New(gopool.Options{Workers: 2, Logger: quiet})
	_, err := ruin.Submit(context.Background(), pool, how).Result(context.Background())
	fmt.Println("still here:", err)
	os.Exit(0)
}

func init() { roles["goroutines"] = playGoroutines }

// TestREADMETable: what the README says of tasks on goroutines is so. What it says of
// worker processes is TestFailureMatrix.
func TestREADMETable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(readme)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		what, here, there := strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		how, ok := hows[what]
		if !ok {
			continue
		}
		found++
		if there != "that task fails" {
			t.Errorf("%s: in a worker process %s?", what, there)
		}
		if how == "out of memory" && runtime.GOOS != "linux" {
			continue
		}
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "PROCPOOL_TEST_ROLE=goroutines", "PROCPOOL_TEST_HOW="+how)
			out, err := cmd.CombinedOutput()
			lives := err == nil && strings.Contains(string(out), "still here: ")
			if want := here == "that task fails"; lives != want {
				t.Errorf("on goroutines: %s? It ended with %v:\n%.500s", here, err, out)
			}
		})
	}
	if found != len(hows) {
		t.Errorf("the README has %d of %d rows", found, len(hows))
	}
}
