package family

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures/internal/leakcheck"
)

// A child of the tests is this binary with FAMILY_ROLE set. It gets the family as descriptor 3
// and the name of an object as an argument.
func TestMain(m *testing.M) {
	if role := os.Getenv("FAMILY_ROLE"); role != "" {
		Inherit(3)
		if err := roles[role](os.Args[1:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leakcheck.Main(m, runtime.GC)
}

// The kind of the tests: a lock, two counters that are equal while nobody has it, a wait set,
// and how many deaths were repaired.
const (
	pairKind   = 1
	pairLock   = 0
	pairFirst  = 64
	pairSecond = 72
	pairWait   = 128
	pairDeaths = 192
	pairSize   = 256
)

// blockKind has no words of its own.
const blockKind = 0

var testKinds = []Kind{blockKind: {Name: "block"}, pairKind: {
	Name: "pair",
	Repair: func(o *Object, dead Member) {
		l := o.LockAt(pairLock)
		l.Bury(dead, true)
		o.WaitSet(pairWait).Bury(dead)
		o.Word(pairDeaths).Add(1)
	},
	Wake: func(o *Object) {
		l := o.LockAt(pairLock)
		l.Wake()
		o.WaitSet(pairWait).WakeAll()
	},
}}

// count adds to both counters under the lock, and mends them after a death.
func count(l *Lock, o *Object) error {
	suspect, err := l.Lock(context.Background())
	if err != nil {
		return err
	}
	first, second := o.Word(pairFirst), o.Word(pairSecond)
	if suspect {
		second.Store(first.Load())
		l.Trust()
	}
	if first.Load() != second.Load() {
		return fmt.Errorf("%d and %d under the lock", first.Load(), second.Load())
	}
	first.Add(1)
	second.Add(1)
	return l.Unlock()
}

var roles = map[string]func(args []string) error{
	// count counts until it is killed or the object is closed.
	"count": func(args []string) error {
		o, err := openArg(args[0])
		if err != nil {
			return err
		}
		l := o.LockAt(pairLock)
		fmt.Println("ready", os.Getpid())
		for !o.Closed() {
			if err := count(&l, o); err != nil {
				return err
			}
		}
		return nil
	},
	// hold takes the lock and keeps it.
	"hold": func(args []string) error {
		o, err := openArg(args[0])
		if err != nil {
			return err
		}
		l := o.LockAt(pairLock)
		if _, err := l.Lock(context.Background()); err != nil {
			return err
		}
		fmt.Println("ready", os.Getpid())
		select {}
	},
	// wait waits for its lock, tells whether the owner died, and ends.
	"wait": func(args []string) error {
		o, err := openArg(args[0])
		if err != nil {
			return err
		}
		l := o.LockAt(pairLock)
		fmt.Println("ready", os.Getpid())
		suspect, err := l.Lock(context.Background())
		fmt.Println("got it", suspect, err)
		return l.Unlock()
	},
	// churn makes and closes objects of all sizes until it is killed.
	"churn": func(args []string) error {
		f, err := Home(testKinds)
		if err != nil {
			return err
		}
		fmt.Println("ready", os.Getpid())
		for i := 0; ; i++ {
			o, err := f.Create(blockKind, 128<<(i%8), 0, nil)
			if err != nil {
				return err
			}
			for at := 0; at < o.Size(); at += 8 {
				if v := o.Word(at).Load(); v != 0 {
					return fmt.Errorf("a new object of %d bytes has %#x at %d", o.Size(), v, at)
				}
				o.Word(at).Store(uint64(os.Getpid()))
			}
			for at := 0; at < o.Size(); at += 8 {
				if v := o.Word(at).Load(); v != uint64(os.Getpid()) {
					return fmt.Errorf("an object of %d bytes has %d at %d: somebody else's", o.Size(), v, at)
				}
			}
			o.Close()
			if i%100 == 0 {
				runtime.GC()
			}
		}
	},
}

func nameOf(o *Object) string {
	r := o.Ref()
	return fmt.Sprintf("%x %d %d %d", r.Family[:], r.Index, r.Generation, r.Kind)
}

func openArg(name string) (*Object, error) {
	var r Ref
	var id []byte
	if _, err := fmt.Sscanf(name, "%x %d %d %d", &id, &r.Index, &r.Generation, &r.Kind); err != nil {
		return nil, err
	}
	copy(r.Family[:], id)
	f, err := Find(r.Family, testKinds)
	if err != nil {
		return nil, err
	}
	return f.Open(r)
}

// child is a process of the tests.
type child struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *bufio.Scanner
	once sync.Once
}

// start starts a child and waits until it is ready.
func start(t *testing.T, f *Family, role string, args ...string) *child {
	t.Helper()
	return startDoomed(t, f, "", role, args...)
}

// startDoomed starts a child that dies at a point of the program (see package assert).
func startDoomed(t *testing.T, f *Family, point, role string, args ...string) *child {
	t.Helper()
	once := filepath.Join(t.TempDir(), "once")
	if err := os.WriteFile(once, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := f.region.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	c := &child{t: t, cmd: exec.Command(os.Args[0], args...)}
	c.cmd.Env = append(os.Environ(), "FAMILY_ROLE="+role, "FUTURES_DIE_AT="+point, "FUTURES_DIE_ONCE="+once)
	c.cmd.ExtraFiles = []*os.File{file}
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewScanner(out)
	t.Cleanup(func() { c.kill() })
	if line := c.line(); !strings.HasPrefix(line, "ready") {
		t.Fatalf("%s says %q", role, line)
	}
	return c
}

func (c *child) line() string {
	c.out.Scan()
	return c.out.Text()
}

func (c *child) kill() {
	c.once.Do(func() {
		_ = c.cmd.Process.Kill()
		for c.out.Scan() {
			if line := c.out.Text(); strings.HasPrefix(line, "error") {
				c.t.Error(line)
			}
		}
		_ = c.cmd.Wait()
	})
}

func newFamily(t *testing.T) *Family {
	t.Helper()
	f, err := create(testKinds, smallestRegion) // which stays mapped: a small one
	if err != nil {
		t.Fatal(err)
	}
	families.mu.Lock()
	families.known = append(families.known, f)
	families.mu.Unlock()
	return f
}

func newPair(t *testing.T, f *Family) *Object {
	t.Helper()
	o, err := f.Create(pairKind, pairSize, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(100 * time.Microsecond):
		}
	}
}

func kills(few int) int {
	if n, err := strconv.Atoi(os.Getenv("FUTURES_KILLS")); err == nil {
		return n
	}
	return few
}
