package process

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long what has to happen may take before a test fails.
const patience = 20 * time.Second

// follow returns a function that waits until the process pid, which need not be a
// child, is dead. It must be alive now.
func follow(t testing.TB, what string, pid int) (gone func()) {
	t.Helper()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("%s %d: %v", what, pid, err)
	}
	t.Cleanup(func() { unix.Close(pidfd) })
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	if n, _ := unix.Poll(fds, 0); n > 0 {
		t.Fatalf("%s %d is dead from the beginning", what, pid)
	}
	return func() {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
			if n == 1 {
				return
			}
			if err != unix.EINTR || time.Now().After(deadline) {
				t.Errorf("%s %d is still there", what, pid)
				unix.Kill(pid, unix.SIGKILL)
				return
			}
		}
	}
}

// holdFile returns a file that has no input until the test ends. Who reads from it
// does not outlive the test binary.
func holdFile(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r
}

// launchFamily starts a role that tells its number and that of its child first.
func launchFamily(t testing.TB, role string, args ...string) (p *Process, l *lines, child, grandchild int) {
	t.Helper()
	spec := as(role, args...)
	spec.Files = []syscall.Conn{holdFile(t)}
	l = newLines()
	spec.Stdout = l.sink
	p = launch(t, spec)
	if _, err := fmt.Sscan(l.await(t, p, 0), &child, &grandchild); err != nil {
		t.Fatal(err)
	}
	return p, l, child, grandchild
}

// P1: whatever ends a child ends its group.
func TestGroupEndsWithLeader(t *testing.T) {
	for name, end := range map[string]func(p *Process){
		"kill":    (*Process).Kill,
		"SIGKILL": func(p *Process) { p.Signal(syscall.SIGKILL) },
		"SIGTERM": func(p *Process) { p.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _, grandchild := launchFamily(t, "family", "near", "sleep")
			gone := follow(t, "grandchild", grandchild)
			end(p)
			<-p.Done()
			gone()
		})
	}
	t.Run("exit", func(t *testing.T) {
		spec := as("family", "near", "exit")
		hold := holdFile(t)
		spec.Files = []syscall.Conn{hold}
		l := newLines()
		spec.Stdout = l.sink
		p := launch(t, spec)
		// The grandchild has the output open, but is not waited for: it is killed.
		if exit := p.Exit(); exit.Code != 0 || exit.Signal != 0 {
			t.Errorf("%v: %s", exit, p.StderrTail())
		}
		var child, grandchild int
		fmt.Sscan(l.await(t, p, 0), &child, &grandchild)
		// It may be gone for good by now, or a zombie that nobody has reaped yet.
		awaitGone(t, grandchild)
	})
}

// A leader that has left its group is killed all the same.
func TestLeaderLeavesGroup(t *testing.T) {
	p, l, _, grandchild := launchFamily(t, "family", "near", "leave")
	gone := follow(t, "grandchild", grandchild)
	l.await(t, p, 1) // it has left
	p.Kill()
	<-p.Done()
	gone()
}

// P2: a grandchild out of reach that holds the outputs does not delay Done for ever.
func TestGrandchildHoldsOutput(t *testing.T) {
	p, _, _, grandchild := launchFamily(t, "family", "away", "sleep")
	gone := follow(t, "grandchild", grandchild)
	p.Kill()
	<-p.Done()
	follow(t, "grandchild in a group of its own", grandchild)
	unix.Kill(grandchild, unix.SIGKILL)
	gone()
}

// P4: when a parent is killed, its child and the child's child end, whatever state
// the child is in.
func TestParentKilled(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 1
	}
	for _, test := range []struct{ role, end string }{
		{"family", "sleep"},
		{"family", "spin"},
		{"family", "stop"}, // no code of the child's can run
		{"family", "close"},
		{"family", "disarm"},
		{"family", "leave"},
		{"raw-family", "sleep"},
		{"raw-family", "spin"},
		{"raw-family", "stop"},
	} {
		t.Run(test.role+"/"+test.end, func(t *testing.T) {
			for range rounds {
				p, l, child, grandchild := launchFamily(t, "middle", test.role, "near", test.end)
				childGone, grandchildGone := follow(t, "child", child), follow(t, "grandchild", grandchild)
				switch test.end {
				case "close", "disarm", "leave":
					l.await(t, p, 1) // it has been done
				case "stop":
					awaitState(t, child, 'T')
				}
				if err := p.Signal(syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				childGone()
				grandchildGone()
				<-p.Done()
			}
		})
	}
}

// P4: a child that dies before its parent, which has no time to see it, takes its own
// child along. A stopped parent stands for one that is dying.
func TestChildDiesFirst(t *testing.T) {
	p, _, child, grandchild := launchFamily(t, "middle", "family", "near", "sleep")
	childGone, grandchildGone := follow(t, "child", child), follow(t, "grandchild", grandchild)
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitState(t, p.PID(), 'T')
	if err := unix.Kill(child, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	childGone()
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	grandchildGone()
	<-p.Done()
}

// P4: the same where the child ends because it sees that its parent has, while the kernel is
// still busy with what the parent had open.
func TestChildSeesParentDie(t *testing.T) {
	for range 5 {
		p, l, child, grandchild := launchFamily(t, "slow-middle", "family", "near", "input")
		childGone, grandchildGone := follow(t, "child", child), follow(t, "grandchild", grandchild)
		l.await(t, p, 1)
		if err := p.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		childGone()
		grandchildGone()
		<-p.Done()
	}
}

// P4: a child whose parent died before the child looked does not come far.
func TestOrphanEnds(t *testing.T) {
	for _, parent := range []string{"mine", "1000000000"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		spec := as("raw-orphan", parent)
		spec.Files = []syscall.Conn{r}
		l := newLines()
		spec.Stdout = l.sink
		exit := launch(t, spec).Exit()
		r.Close()
		if said, _ := l.get(); exit.Signal != syscall.SIGKILL || len(said) > 0 {
			t.Errorf("parent %s: %v, said %q", parent, exit, said)
		}
	}
	if _, armed := launchReady(t, as("raw-unarmed")); armed != "true" {
		t.Error("a child does not arm its life line")
	}
}

// awaitGone waits until a process is a zombie or less.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		if i := bytes.LastIndexByte(stat, ')'); stat[i+2] == 'Z' || stat[i+2] == 'X' {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there: %s", pid, stat)
		}
	}
}

// awaitState waits until a process is in a state of /proc/PID/stat.
func awaitState(t *testing.T, pid int, state byte) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.LastIndexByte(stat, ')'); stat[i+2] == state {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %d is not in state %c: %s", pid, state, stat)
		}
	}
}

// A child is bound to this process, not to the thread that has forked it: here
// goroutines take their threads with them when they end.
func TestThreadsComeAndGo(t *testing.T) {
	for range 20 {
		questions, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l := newLines()
		spec := as("echo")
		spec.Files = []syscall.Conn{questions}
		spec.Stdout = l.sink
		started := make(chan *Process)
		go func() {
			runtime.LockOSThread() // the thread ends with the goroutine
			p, err := Start(spec)
			if err != nil {
				t.Error(err)
			}
			started <- p
		}()
		p := <-started
		if p == nil {
			return
		}
		var threads sync.WaitGroup
		for range 10 {
			threads.Go(runtime.LockOSThread)
		}
		threads.Wait()
		fmt.Fprintln(w, "there?")
		if got := l.await(t, p, 0); got != "there?" {
			t.Errorf("answer %q", got)
		}
		w.Close()
		questions.Close()
		if exit := p.Exit(); exit.Code != 0 {
			t.Errorf("%v: %s", exit, p.StderrTail())
		}
	}
}

// P8: nothing but 0, 1 and 2 spreads to a child's children.
func TestCloseOnExec(t *testing.T) {
	for _, args := range [][]string{nil, {"one by one"}} {
		spec := as("close-on-exec", args...)
		spec.Files = []syscall.Conn{holdFile(t), FD(holdFile(t).Fd())}
		if _, got := launchReady(t, spec); got != "[] []" {
			t.Errorf("%q: not close-on-exec and inherited: %s", args, got)
		}
	}
}

func TestRaiseOOMScore(t *testing.T) {
	_, got := launchReady(t, as("oom-score"))
	if got != "300 1000" {
		t.Errorf("raised by, and at most: %s", got)
	}
}

// P5: a file that is passed on stays as it is, here and in the poller.
func TestFilesStayNonBlocking(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec := as("block")
	spec.Files = []syscall.Conn{r, w}
	p, _ := launchReady(t, spec)
	for _, f := range []*os.File{r, w} {
		conn, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		conn.Control(func(fd uintptr) {
			if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("flags of a passed pipe: %#x, %v", flags, err)
			}
		})
	}
	if err := r.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Errorf("deadline of a passed pipe: %v", err)
	}
	// The child holds a copy: the end comes with its death only.
	w.Close()
	if n, err := r.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("read %d, %v", n, err)
	}
	r.SetReadDeadline(time.Time{})
	p.Kill()
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v after the child's death", n, err)
	}
}

// Output is not cut short by a write end that does not block.
func TestOutputsBlockInTheChild(t *testing.T) {
	r, w, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for want, f := range map[bool]*os.File{true: r, false: w} {
		conn, _ := f.SyscallConn()
		conn.Control(func(fd uintptr) {
			if flags, _ := unix.FcntlInt(fd, unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 != want {
				t.Errorf("flags %#x, non-blocking must be %v", flags, want)
			}
			if flags, _ := unix.FcntlInt(fd, unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
				t.Error("not close-on-exec")
			}
		})
	}
}

func TestStacks(t *testing.T) {
	for _, test := range []struct {
		role, want      string
		rounds, missing int // and in how many of them the wanted may be missing
		wait            time.Duration
		signal          syscall.Signal
	}{
		{"park", "process.parkForever", 1, 0, patience, 0},
		{"spin", "process.spinForever", 10, 3, patience, 0}, // see target
		{"ignore-quit", "", 1, 0, time.Millisecond, syscall.SIGKILL},
	} {
		t.Run(test.role, func(t *testing.T) {
			var dump string
			missing := 0
			for range test.rounds {
				p, _ := launchReady(t, as(test.role))
				d := string(p.DumpAndKill(test.wait))
				if !strings.Contains(d, test.want) {
					missing, dump = missing+1, d
				}
				exit := p.Exit()
				if exit.Signal != test.signal || exit.Signal == 0 && (exit.Code != 2 || exit.Fatal != "SIGQUIT: quit") {
					t.Errorf("%+v", exit)
				}
			}
			if missing > test.missing {
				t.Errorf("no %q in %d of %d dumps, such as:\n%s", test.want, missing, test.rounds, dump)
			}
		})
	}
}

// The signal goes to the thread that is busy, when there is one.
func TestTarget(t *testing.T) {
	p, _ := launchReady(t, as("spin"))
	for deadline := time.Now().Add(patience); ; {
		chosen := target(p.PID())
		for _, thread := range threads(p.PID()) {
			if thread.id == chosen && thread.running {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("chose %d of %v", chosen, threads(p.PID()))
		}
	}
}
