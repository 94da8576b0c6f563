package procpool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/procpool"
)

// both runs a test on both transports.
func both(t *testing.T, test func(t *testing.T, o procpool.Options)) {
	for name, isolated := range map[string]bool{"shared": false, "isolated": true} {
		t.Run(name, func(t *testing.T) {
			test(t, procpool.Options{Isolated: isolated, Stderr: discard, KillGrace: 200 * time.Millisecond})
		})
	}
}

func discard(int, []byte) {}

// ruin is a function that does to its process what it is told.
var ruin = futures.Define("test.ruin", func(ctx context.Context, how string) (string, error) {
	switch how {
	case "nothing":
		return "well", nil
	case "error":
		return "", fmt.Errorf("reading: %w", fs.ErrNotExist)
	case "panic":
		panic("at the disco")
	case "panic with an error":
		panic(fs.ErrPermission)
	case "goexit":
		runtime.Goexit()
	case "panic in a goroutine":
		go func() { panic("elsewhere") }()
		select {}
	case "map race":
		runtime.GOMAXPROCS(4) // with one there may be no race to see
		m := make(map[int]int)
		for range 4 {
			go func() {
				for i := 0; ; i++ {
					m[i%8] = i
				}
			}()
		}
		select {}
	case "stack overflow":
		debug.SetMaxStack(1 << 24) // the default takes seconds to fill
		return fmt.Sprint(overflow(1)), nil
	case "out of memory":
		var kept [][]byte
		for {
			b := make([]byte, 8<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			kept = append(kept, b)
			_ = kept
		}
	case "os.Exit":
		fmt.Fprintln(os.Stderr, "going")
		os.Exit(7)
	case "log.Fatal":
		log.Fatal("fatally logged")
	case "unlock":
		new(sync.Mutex).Unlock()
	case "SIGSEGV", "SIGKILL":
		signalSelf(how)
		select {}
	case "busy loop":
		for i := 0; ; i++ {
			_ = i
		}
	case "garbage in the pipe":
		_, _ = os.NewFile(process.ChildFile(1), "to parent").WriteString("this is not a frame at all, is it?")
		select {}
	case "close the pipe":
		_ = os.NewFile(process.ChildFile(1), "to parent").Close()
		select {}
	}
	return "", errors.New("unknown: " + how)
})

// signalSelf sends this process a signal, where there are signals.
var signalSelf = func(name string) {}

func overflow(n int) int {
	if n < 0 {
		return n
	}
	return overflow(n+1) + n
}

// TestFailureMatrix: one of 41 tasks ruins its process. It fails with what happened, the
// other 40 succeed, and so does one submitted afterwards.
func TestFailureMatrix(t *testing.T) {
	type row struct {
		how    string
		lives  bool // the worker does
		check  func(err error) bool
		crash  func(e *futures.CrashError) bool
		memory int64
	}
	stderr := func(text string, code int) func(*futures.CrashError) bool {
		return func(e *futures.CrashError) bool {
			return e.ExitCode == code && e.Signal == "" && strings.Contains(fmt.Sprintf("%+v", e), text)
		}
	}
	signal := func(name string) func(*futures.CrashError) bool {
		return func(e *futures.CrashError) bool { return e.ExitCode == -1 && e.Signal == name }
	}
	rows := []row{
		{how: "error", lives: true, check: func(err error) bool {
			remote, ok := errors.AsType[*futures.RemoteError](err)
			return ok && errors.Is(err, fs.ErrNotExist) && remote.Message == "reading: file does not exist"
		}},
		{how: "panic", lives: true, check: func(err error) bool {
			p, ok := errors.AsType[*futures.PanicError](err)
			return ok && p.Value == "at the disco" && strings.Contains(string(p.Stack), "failures_test.go")
		}},
		{how: "panic with an error", lives: true, check: func(err error) bool {
			_, ok := errors.AsType[*futures.PanicError](err)
			return ok && errors.Is(err, fs.ErrPermission)
		}},
		{how: "goexit", lives: true, check: func(err error) bool {
			p, ok := errors.AsType[*futures.PanicError](err)
			return ok && p.Goexit && strings.Contains(string(p.Stack), "failures_test.go")
		}},
		{how: "panic in a goroutine", crash: stderr("panic: elsewhere", 2)},
		{how: "map race", crash: stderr("concurrent map writes", 2)},
		{how: "stack overflow", crash: stderr("stack overflow", 2)},
		{how: "os.Exit", crash: stderr("going", 7)},
		{how: "log.Fatal", crash: stderr("fatally logged", 1)},
		{how: "unlock", crash: stderr("unlock of unlocked mutex", 2)},
		{how: "SIGKILL", crash: signal("SIGKILL")},
		{how: "SIGSEGV", crash: func(e *futures.CrashError) bool { return e.ExitCode == 2 || e.Signal == "SIGSEGV" }},
		{how: "out of memory", memory: 128 << 20, crash: func(e *futures.CrashError) bool { return e.OOM }},
		{how: "garbage in the pipe", crash: func(e *futures.CrashError) bool {
			return e.Signal == "SIGKILL" && e.Cause != nil && strings.Contains(e.Cause.Error(), "protocol")
		}},
		{how: "close the pipe", crash: func(e *futures.CrashError) bool { return e.Signal == "SIGKILL" }},
	}
	both(t, func(t *testing.T, o procpool.Options) {
		for _, r := range rows {
			t.Run(r.how, func(t *testing.T) {
				if r.memory > 0 && runtime.GOOS != "linux" {
					t.Skip("memory limits are for Linux only")
				}
				o.Workers, o.MemoryLimit = 2, r.memory
				p := open(t, o)
				ctx := t.Context()
				var fs []*futures.Future[string]
				for i := range 41 {
					how := "nothing"
					if i == 17 {
						how = r.how
					}
					fs = append(fs, ruin.Submit(ctx, p, how))
				}
				for i, f := range fs {
					v, err := f.Result(ctx)
					switch {
					case i != 17 && (v != "well" || err != nil):
						t.Errorf("task %d: %q, %v", i, v, err)
					case i == 17 && r.lives && !r.check(err):
						t.Errorf("got %T %+v", err, err)
					case i == 17 && !r.lives:
						e, ok := errors.AsType[*futures.CrashError](err)
						if !ok || !r.crash(e) {
							t.Errorf("got %T %+v", err, err)
						} else if e.PID == 0 || e.PID == os.Getpid() || e.Task != "test.ruin" || e.Attempt != 1 {
							t.Errorf("got %#v", e)
						}
					}
				}
				if v, err := ruin.Submit(ctx, p, "nothing").Result(ctx); v != "well" || err != nil {
					t.Errorf("afterwards: %q, %v", v, err)
				}
				restarts := 0
				for _, w := range p.Inspect().Workers {
					restarts += w.Restarts
				}
				if r.lives && restarts > 0 {
					t.Errorf("%d restarts", restarts)
				}
			})
		}
	})
}

// TestTimeoutKills: PP3: a task that heeds nothing is killed after its timeout and the grace,
// and the error says what it was doing.
func TestTimeoutKills(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.KillGrace = 1, 50*time.Millisecond
		p := open(t, o)
		ctx := t.Context()
		_, err := ruin.Submit(ctx, p, "busy loop", futures.Timeout(50*time.Millisecond)).Result(ctx)
		e, crashed := errors.AsType[*futures.CrashError](err)
		if !errors.Is(err, futures.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || !crashed {
			t.Fatalf("got %T %+v", err, err)
		}
		if !strings.Contains(e.Stderr, "failures_test.go") {
			t.Errorf("the stacks do not show the task:\n%s", e.Stderr)
		}
		if v, err := ruin.Submit(ctx, p, "nothing").Result(ctx); v != "well" || err != nil {
			t.Errorf("afterwards: %q, %v", v, err)
		}
	})
}

// TestCancelKills: PP3: a running task that heeds nothing is killed after Cancel and the
// grace, and so it is when its submitter's context ends.
func TestCancelKills(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.KillGrace = 1, 50*time.Millisecond
		p := open(t, o)
		for _, cancel := range []func(*futures.Future[string], context.CancelFunc){
			func(f *futures.Future[string], _ context.CancelFunc) {
				if f.Cancel() {
					t.Error("Cancel of a running task is true")
				}
			},
			func(_ *futures.Future[string], cancel context.CancelFunc) { cancel() },
		} {
			ctx, end := context.WithCancel(t.Context())
			f := ruin.Submit(ctx, p, "busy loop")
			waitRunning(f)
			cancel(f, end)
			_, err := f.Result(t.Context())
			if f.State() != futures.Cancelled || !errors.Is(err, futures.ErrCancelled) {
				t.Errorf("%v: %v", f.State(), err)
			}
			end()
		}
		if v, err := ruin.Submit(t.Context(), p, "nothing").Result(t.Context()); v != "well" || err != nil {
			t.Errorf("afterwards: %q, %v", v, err)
		}
	})
}

func waitRunning(f futures.Handle) {
	for f.State() == futures.Pending {
		time.Sleep(100 * time.Microsecond)
	}
}

// breakInit is an initializer that fails in the way it is told.
var breakInit = futures.Define("test.breakInit", func(_ context.Context, how string) (struct{}, error) {
	_, err := ruin.Call(context.Background(), how)
	return struct{}{}, err
})

// TestInitializerFails: the pool is broken and says why.
func TestInitializerFails(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		for how, want := range map[string]string{"error": "file does not exist", "panic": "at the disco", "goexit": "Goexit", "os.Exit": "exit code 7"} {
			t.Run(how, func(t *testing.T) {
				o.Workers, o.Init = 2, procpool.Initialize(breakInit, how)
				p := open(t, o)
				ctx := t.Context()
				f, g := ruin.Submit(ctx, p, "nothing"), ruin.Submit(ctx, p, "nothing")
				_, err := f.Result(ctx)
				if !errors.Is(err, futures.ErrBroken) || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				_, err2 := g.Result(ctx)
				if !errors.Is(err2, futures.ErrBroken) || err == err2 {
					t.Errorf("PP-04: got %v", err2)
				}
				if _, err := ruin.Submit(ctx, p, "nothing").Result(ctx); !errors.Is(err, futures.ErrBroken) {
					t.Errorf("afterwards: %v", err)
				}
				if how == "os.Exit" && !strings.Contains(err.Error(), "going") {
					t.Errorf("no stderr in %v", err)
				}
				if err := p.Close(); !errors.Is(err, futures.ErrBroken) {
					t.Errorf("Close: %v", err)
				}
			})
		}
	})
}

// TestBreakOnCrash is Python's strict rule.
func TestBreakOnCrash(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.BreakOnCrash = 2, true
		p := open(t, o)
		ctx := t.Context()
		fs := []*futures.Future[string]{ruin.Submit(ctx, p, "SIGKILL")}
		for range 20 {
			fs = append(fs, ruin.Submit(ctx, p, "busy loop"))
		}
		for i, f := range fs {
			if _, err := f.Result(ctx); !errors.Is(err, futures.ErrBroken) {
				t.Errorf("task %d: %v", i, err)
			}
		}
		if _, err := ruin.Submit(ctx, p, "nothing").Result(ctx); !errors.Is(err, futures.ErrBroken) {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestStartFails: a program that cannot be started breaks the pool after some attempts.
func TestStartFails(t *testing.T) {
	for _, command := range [][]string{{"/nowhere/to/be/found"}, {"false"}} {
		if path, err := exec.LookPath(command[0]); err == nil {
			command[0] = path
		}
		p := open(t, procpool.Options{Command: command, Workers: 2})
		_, err := ruin.Submit(t.Context(), p, "nothing").Result(t.Context())
		if !errors.Is(err, futures.ErrBroken) {
			t.Errorf("%v: %v", command, err)
		}
	}
}
