package procpool_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// busy does what it is told for ever, and before that prints the numbers of the processes
// that are to end with it.
var busy = futures.Define("test.busy", func(ctx context.Context, how string) (struct{}, error) {
	fmt.Println("pid", os.Getpid())
	switch how {
	case "spin":
		for i := 0; ; i++ {
			_ = i
		}
	case "children":
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			return struct{}{}, err
		}
		fmt.Println("pid", cmd.Process.Pid)
		_ = cmd.Wait()
	}
	<-ctx.Done()
	select {}
})

// playParent is the role of a program that is killed: it has workers of all kinds.
func playParent(isolated bool) {
	p, err := procpool.New(procpool.Options{
		Workers: 3, Isolated: isolated,
		Stdout: func(_ int, line []byte) { fmt.Printf("%s\n", line) },
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, how := range []string{"spin", "sleep", "children"} {
		busy.Submit(context.Background(), p, how)
	}
	select {}
}

// TestParentKilled: PP6: of 50 parents that are killed with workers that spin, sleep, and
// have a child, none leaves a process behind.
func TestParentKilled(t *testing.T) {
	t.Run("PR-04 a killed parent takes its workers and their children along", parentKilled)
}

func parentKilled(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 50 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "PROCPOOL_TEST_ROLE="+map[bool]string{false: "parent", true: "isolated parent"}[round%2 == 1])
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var pids []int
		for lines := bufio.NewScanner(out); len(pids) < 4 && lines.Scan(); {
			number, ok := strings.CutPrefix(lines.Text(), "pid ")
			pid, err := strconv.Atoi(number)
			if !ok || err != nil {
				t.Fatalf("round %d: %q", round, lines.Text())
			}
			pids = append(pids, pid)
		}
		if len(pids) != 4 {
			t.Fatalf("round %d: %d processes", round, len(pids))
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		for _, pid := range pids {
			deadline := time.Now().Add(10 * time.Second)
			for alive(pid) {
				if time.Now().After(deadline) {
					t.Fatalf("PP6: round %d: process %d outlives its parent", round, pid)
				}
				time.Sleep(time.Millisecond)
			}
		}
	}
}

// alive reports whether a process exists and is no zombie, which nobody may have reaped.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func init() {
	roles["parent"] = func() { playParent(false) }
	roles["isolated parent"] = func() { playParent(true) }
}
