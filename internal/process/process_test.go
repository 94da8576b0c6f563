package process

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestExitCode(t *testing.T) {
	for _, code := range []int{0, 1, 2, 7, 255} {
		p := launch(t, as("exit", fmt.Sprint(code)))
		exit := p.Exit()
		if exit.Code != code || exit.Signal != 0 || exit.OOM || exit.Fatal != "" {
			t.Errorf("exit %d: %+v", code, exit)
		}
		if runtime.GOOS == "linux" && (exit.MaxRSS < 100<<10 || exit.UserTime+exit.SystemTime <= 0) {
			t.Errorf("exit %d: no usage: %+v", code, exit)
		}
	}
}

func TestSignal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p, _ := launchReady(t, as("block"))
		if err := p.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if exit := p.Exit(); exit.Signal != sig || exit.Code != -1 || exit.OOM {
			t.Errorf("after %v: %+v", sig, exit)
		}
	}
}

// P1: nothing is sent to a number that may be another's.
func TestSignalAfterDeath(t *testing.T) {
	p := launch(t, as("exit", "0"))
	<-p.Dead()
	if err := p.Signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal to a dead process: %v", err)
	}
	if _, err := p.RSS(); err == nil {
		t.Error("a dead process has memory")
	}
	p.Kill()
	if dump := p.DumpAndKill(0); len(dump) > 0 {
		t.Errorf("dump of a dead process: %q", dump)
	}
	if exit := p.Exit(); exit.Code != 0 {
		t.Errorf("exit changed by a kill after death: %+v", exit)
	}
}

func TestKill(t *testing.T) {
	p, _ := launchReady(t, as("block"))
	p.Kill()
	p.Kill()
	<-p.Dead()
	if exit := p.Exit(); exit.Signal != syscall.SIGKILL || exit.OOM || exit.OOMSample != 0 {
		t.Errorf("killed: %+v", exit)
	}
}

func TestFatalLine(t *testing.T) {
	p := launch(t, as("crash"))
	if exit := p.Exit(); exit.Code != 2 || exit.Fatal != "panic: boom" || exit.OOM {
		t.Errorf("panic: %+v", exit)
	}
}

func TestEnvironment(t *testing.T) {
	const key = "FUTURES_PROCESS_TEST_KEY"
	for _, test := range []struct {
		env  []string
		want string
	}{
		{nil, ""},
		{[]string{key + "=a"}, "a"},
		{[]string{key + "=a", key + "=b", "X=1", key + "=c=d"}, "c=d"},
	} {
		spec := as("environment", key)
		spec.Env = append(spec.Env, test.env...)
		if _, got := launchReady(t, spec); got != test.want {
			t.Errorf("%q: child has %q, want %q", test.env, got, test.want)
		}
	}
}

func TestEnvironmentHasEachKeyOnce(t *testing.T) {
	spec := Spec{Env: []string{"A=1", "B=1", "", "nonsense", "A=2", "=C:=C:\\x", markerKey + "=stale", "B="}}
	want := []string{"A=2", "=C:=C:\\x", "B=", markerKey + "=new"}
	if got := spec.environ(markerKey + "=new"); !slices.Equal(got, want) {
		t.Errorf("environment %q, want %q", got, want)
	}
	if got := (&Spec{Env: []string{}}).environ("M=1"); !slices.Equal(got, []string{"M=1"}) {
		t.Errorf("empty environment became %q", got)
	}
}

func TestDir(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	spec := as("directory")
	spec.Dir = dir
	if _, got := launchReady(t, spec); got != dir {
		t.Errorf("working directory %q, want %q", got, dir)
	}
}

func TestStartErrors(t *testing.T) {
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	for _, test := range []struct {
		name string
		spec Spec
		is   error
		text string
	}{
		{"program", Spec{Path: nowhere}, os.ErrNotExist, "process: start " + nowhere},
		{"directory", Spec{Dir: nowhere}, os.ErrNotExist, nowhere},
		{"argument", Spec{Args: []string{"a\x00b"}}, syscall.EINVAL, "process: start "},
		{"closed file", Spec{Files: []syscall.Conn{closed}}, nil, "file 0: use of closed file"},
		{"no file", Spec{Files: []syscall.Conn{nil}}, os.ErrInvalid, "file 0"},
	} {
		p, err := Start(test.spec)
		if p != nil || err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v, %v", test.name, p, err)
		}
	}
	if runtime.GOOS == "linux" {
		_, err := Start(Spec{Args: []string{strings.Repeat("x", 1<<20)}})
		if !errors.Is(err, syscall.E2BIG) || !strings.Contains(err.Error(), "arguments and environment") {
			t.Errorf("an argument of 1 MiB: %v", err)
		}
	}
}

func TestMemoryLimitWhereThereIsNone(t *testing.T) {
	if canMeter {
		return
	}
	if _, err := Start(Spec{MemoryLimit: 1}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("memory limit: %v", err)
	}
}

func TestIsChild(t *testing.T) {
	if child, err := HardenChild(); child || err != nil || IsChild() {
		t.Fatalf("the test is a child of its own: %v, %v", child, err)
	}
	for _, test := range []struct {
		spec Spec
		want string
	}{
		{as("raw-mark"), "true true"},  // not hardened yet
		{as("is-child"), "true false"}, // hardened: the mark is gone
		{as("hard"), "true <nil>"},     // a second time
		{as("pass-on", "raw-mark"), "false false"},
		{as("raw-pass-on", "raw-mark"), "false true"}, // a mark that is not meant for it
		{as("raw-pass-on", "is-child"), "false true"},
	} {
		if _, got := launchReady(t, test.spec); got != test.want {
			t.Errorf("%s: %q, want %q", test.spec.Args, got, test.want)
		}
	}
}

// The files of a child are usable there, and whatever can wait for input here can
// be passed.
func TestFiles(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	spec := as("echo")
	spec.Files = []syscall.Conn{r, listener.(*net.TCPListener)}
	l := newLines()
	spec.Stdout = l.sink
	p := launch(t, spec)
	for i := range 10 {
		question := fmt.Sprintf("question %d", i)
		fmt.Fprintln(w, question)
		if got := l.await(t, p, i); got != question {
			t.Errorf("answer %q to %q", got, question)
		}
	}
	w.Close()
	if exit := p.Exit(); exit.Code != 0 {
		t.Errorf("%v: %s", exit, p.StderrTail())
	}
}
