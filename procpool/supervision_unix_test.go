//go:build unix

package procpool_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/procpool"
)

// TestReplacementCannotStart: a worker dies and the program for another one is gone. The pool
// goes on with the one that is left; it is as large as before once the program is back; and it
// breaks when no worker is left and none can be started.
func TestReplacementCannotStart(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "worker")
	come := func() {
		t.Helper()
		if err := os.Symlink(self, program); err != nil {
			t.Fatal(err)
		}
	}
	vanish := func() {
		t.Helper()
		if err := os.Remove(program); err != nil {
			t.Fatal(err)
		}
	}
	come()
	starts := make(chan inspect.Event, 100)
	exits := make(chan inspect.Event, 100)
	p := open(t, procpool.Options{
		Command: []string{program}, Workers: 2, Stderr: discard, Logger: quiet,
		Events: func(e inspect.Event) {
			switch e.Kind {
			case inspect.WorkerStart:
				starts <- e
			case inspect.WorkerExit:
				exits <- e
			}
		},
	})
	ctx := t.Context()
	file, second := gate(t, p), gate(t, p)
	long := await.Submit(ctx, p, file)
	waitFor(file + ".started")
	other := await.Submit(ctx, p, second)
	waitFor(second + ".started")
	openGate(t, second)
	id, err := other.Result(ctx)
	if err != nil {
		t.Fatal(err)
	}

	vanish()
	if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waiting := double.Submit(ctx, p, 1) // the other worker is busy
	for range 3 {                       // the killed one, and two that could not be started
		if e := <-exits; e.Err == nil {
			t.Errorf("got %+v", e)
		}
	}
	if waiting.State() != futures.Pending || p.Inspect().Broken != "" {
		t.Fatalf("%v, broken: %q", waiting.State(), p.Inspect().Broken)
	}
	openGate(t, file)
	if v, err := waiting.Result(ctx); v != 2 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	survivor, err := long.Result(ctx)
	if err != nil {
		t.Fatal(err)
	}

	come()
	for len(starts) > 0 {
		<-starts
	}
	third, fourth := gate(t, p), gate(t, p)
	a, b := await.Submit(ctx, p, third), await.Submit(ctx, p, fourth)
	waitFor(third + ".started")
	waitFor(fourth + ".started")
	openGate(t, third)
	openGate(t, fourth)
	one, _ := a.Result(ctx)
	two, _ := b.Result(ctx)
	if one == two || one != survivor && two != survivor {
		t.Errorf("processes %d and %d, %d had survived", one, two, survivor)
	}

	vanish()
	for _, id := range []int{one, two} {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	last := double.Submit(ctx, p, 1)
	if _, err := last.Result(ctx); !errors.Is(err, futures.ErrBroken) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestGrowsAfterFailure: after a start that failed, the pool becomes as large as its tasks need
// though none of them ends.
func TestGrowsAfterFailure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "worker")
	failed := make(chan struct{}, 100)
	p := open(t, procpool.Options{
		Command: []string{program}, Workers: 4, Stderr: discard, Logger: quiet,
		Events: func(e inspect.Event) {
			if e.Kind == inspect.WorkerExit {
				failed <- struct{}{}
			}
		},
	})
	var gates []string
	var fs []*futures.Future[int]
	for range 4 {
		gates = append(gates, gate(t, p))
		fs = append(fs, await.Submit(t.Context(), p, gates[len(gates)-1]))
	}
	<-failed
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	for _, file := range gates {
		waitFor(file + ".started")
	}
	for _, file := range gates {
		openGate(t, file)
	}
	if _, err := futures.Gather(t.Context(), fs...); err != nil {
		t.Error(err)
	}
}

// TestDeathsBeforeReady: workers that die before they are ready, again and again, are started
// at growing distances, and then the pool is broken, with what they have said as the cause.
func TestDeathsBeforeReady(t *testing.T) {
	var exits []time.Time
	done := make(chan struct{})
	p := open(t, procpool.Options{
		Command: []string{"/bin/sh", "-c", "echo no way >&2; exit 3"}, Workers: 2, Stderr: discard, Logger: quiet,
		Events: func(e inspect.Event) {
			if e.Kind == inspect.WorkerExit {
				if exits = append(exits, time.Now()); len(exits) == 3 {
					close(done)
				}
			}
		},
	})
	_, err := double.Submit(t.Context(), p, 1).Result(t.Context())
	if !errors.Is(err, futures.ErrBroken) || !strings.Contains(err.Error(), "no way") || !strings.Contains(err.Error(), "exit code 3") {
		t.Errorf("got %v", err)
	}
	<-done
	if first, second := exits[1].Sub(exits[0]), exits[2].Sub(exits[1]); first < 75*time.Millisecond || second < 150*time.Millisecond {
		t.Errorf("%v and %v between deaths", first, second)
	}
	if err := p.Close(); !errors.Is(err, futures.ErrBroken) {
		t.Errorf("Close: %v", err)
	}
}

// playTerminal is the role of a program that gets Ctrl-C and decides to go on.
func playTerminal(isolated bool) {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	p, err := procpool.New(procpool.Options{Workers: 1, Isolated: isolated})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	ctx := context.Background()
	file := os.Getenv("PROCPOOL_TEST_GATE")
	f := await.Submit(ctx, p, file)
	waitFor(file + ".started")
	fmt.Println("running")
	<-interrupts
	_ = os.WriteFile(file, nil, 0o600)
	before, err := f.Result(ctx)
	after, err2 := pid.Submit(ctx, p, 0).Result(ctx)
	fmt.Println("same worker:", before == after, err, err2)
	fmt.Println("closed:", p.Close())
	os.Exit(0)
}

func init() {
	roles["terminal"] = func() { playTerminal(false) }
	roles["isolated terminal"] = func() { playTerminal(true) }
}

// TestInterrupt: Ctrl-C reaches the program, which decides, and none of its workers, which are
// in groups of their own.
func TestInterrupt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"terminal", "isolated terminal"} {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), "PROCPOOL_TEST_ROLE="+role, "PROCPOOL_TEST_GATE="+t.TempDir()+"/gate")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal's foreground
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var said []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said = append(said, lines.Text())
			if lines.Text() == "running" {
				if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err != nil || strings.Join(said, "; ") != "running; same worker: true <nil> <nil>; closed: <nil>" {
			t.Errorf("%s: %q, %v", role, said, err)
		}
	}
}
