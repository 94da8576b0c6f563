package process

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures/internal/leakcheck"
)

func count(t *testing.T, dir string) int {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// P6: no thread waits for a child.
func TestThreadsDoNotGrow(t *testing.T) {
	const children = 40
	before := count(t, "/proc/self/task")
	for range children {
		spec := as("block")
		spec.Stderr = func(int, []byte) {}
		launchReady(t, spec)
	}
	if after := count(t, "/proc/self/task"); after > before+children/4 {
		t.Errorf("%d threads before, %d with %d children", before, after, children)
	}
}

// P3: nothing is left after Done, at once.
func TestNothingIsLeft(t *testing.T) {
	<-launch(t, as("exit", "0")).Done() // what the runtime makes once
	leakcheck.Goroutines(t, func() {
		before := count(t, "/proc/self/fd")
		for range 5 {
			spec := as("block")
			spec.MemoryLimit = 1 << 40
			spec.Files = []syscall.Conn{FD(0)}
			p, _ := launchReady(t, spec)
			if _, err := p.RSS(); err != nil {
				t.Error(err)
			}
			p.Kill()
			<-p.Done()
			if _, err := unix.Wait4(p.PID(), nil, unix.WNOHANG, nil); err != unix.ECHILD {
				t.Errorf("process %d is a child after Done: %v", p.PID(), err)
			}
			if _, err := Start(Spec{Path: "/nowhere", Files: spec.Files}); err == nil {
				t.Error("nothing was started")
			}
		}
		if after := count(t, "/proc/self/fd"); after != before {
			t.Errorf("%d descriptors before, %d after", before, after)
		}
	})
}

// A hundred children are started and killed at all points of their lives.
func TestStorm(t *testing.T) {
	const starters, each = 4, 25
	var all sync.WaitGroup
	for range starters {
		all.Go(func() {
			for i := range each {
				out := newLines()
				spec := as("block")
				spec.Stdout = out.sink
				if i%2 == 0 {
					spec.MemoryLimit = 1 << 40
				}
				p, err := Start(spec)
				if err != nil {
					t.Error(err)
					return
				}
				switch i % 5 {
				case 0: // while it boots
				case 1:
					out.await(t, p, 0)
				case 2:
					go p.DumpAndKill(0)
				case 3:
					go p.Signal(syscall.SIGKILL)
				case 4:
					go p.RSS()
				}
				p.Kill()
				if exit := p.Exit(); exit.Signal == 0 && exit.Code != 2 {
					t.Errorf("%+v: %s", exit, p.StderrTail())
				}
			}
		})
	}
	all.Wait()
}

// A program that reaps all children, as the first process of a container may do,
// takes the exit status away, and nothing else.
func TestReapedBySomebodyElse(t *testing.T) {
	p, _ := launchReady(t, as("block"))
	p.mu.Lock() // so that watch comes second
	p.leader.killGroup()
	for {
		if _, err := unix.Wait4(p.PID(), nil, 0, nil); err != unix.EINTR {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
	p.mu.Unlock()
	if exit := p.Exit(); exit.Code != -1 || exit.Signal != 0 {
		t.Errorf("%+v", exit)
	}
}

// Where the kernel has no pidfds, a thread waits.
func TestDeathWithoutPidfd(t *testing.T) {
	r, w, err := newPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec := as("block")
	l, err := startLeader(&spec, "/proc/self/exe", w, w)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	l.death.close()
	l.death = death{fd: -1}
	l.death.open()
	if _, err := r.Read(make([]byte, 100)); err != nil {
		t.Error(err)
	}
	if err := l.signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if !l.await() {
		t.Error("not ours")
	}
	l.killGroup()
	if exit := l.reap(); exit.Signal != syscall.SIGTERM {
		t.Errorf("%+v", exit)
	}
}
