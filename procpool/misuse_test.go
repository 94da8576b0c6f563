package procpool_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

func playRole(t *testing.T, role string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PROCPOOL_TEST_ROLE="+role)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// TestBadOptions: each is refused with what was wrong.
func TestBadOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var undefined *futures.Func[int, int]
	for want, o := range map[string]procpool.Options{
		"negative Workers -1":           {Workers: -1},
		"at most":                       {Workers: procpool.MaxWorkers + 1},
		"negative Queue -2":             {Queue: -2},
		"negative MaxTasksPerWorker -3": {MaxTasksPerWorker: -3},
		"negative MemoryLimit -4":       {MemoryLimit: -4},
		"negative StartTimeout -5ns":    {StartTimeout: -5},
		"empty Command":                 {Command: []string{""}},
		`bad Env entry "novalue"`:       {Env: []string{"novalue"}},
		"is not a directory":            {Dir: file},
		"no such file":                  {Dir: file + "2"},
		"not made by Define":            {Init: procpool.Initialize(undefined, 1)},
		"chan int cannot travel":        {Init: procpool.Initialize(unsendable, make(chan int))},
	} {
		p, err := procpool.New(o)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "procpool.New: ") {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
		if p != nil {
			p.Close()
		}
	}
	p := open(t, procpool.Options{})
	for _, n := range []int{-1, 0, procpool.MaxWorkers + 1} {
		if err := p.Resize(n); err == nil {
			t.Errorf("Resize(%d) succeeds", n)
		}
	}
}

var unsendable = futures.Define("test.unsendable", func(_ context.Context, c chan int) (func(), error) { return nil, nil })

type secretive struct{ hidden int }

var (
	hides  = futures.Define("test.hides", func(_ context.Context, s secretive) (int, error) { return s.hidden, nil })
	cyclic = futures.Define("test.cyclic", func(context.Context, *linked) (*linked, error) {
		l := &linked{N: 1}
		l.Next = l
		return l, nil
	})
)

type linked struct {
	N    int
	Next *linked
}

// TestCannotTravel: C1 for a pool: that future fails, naming the field, and nothing else.
func TestCannotTravel(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers = 1
		p := open(t, o)
		ctx := t.Context()
		if _, err := unsendable.Submit(ctx, p, nil).Result(ctx); err == nil || !strings.Contains(err.Error(), "argument of test.unsendable: codec: chan int: chan int cannot travel") {
			t.Errorf("got %v", err)
		}
		if _, err := hides.Submit(ctx, p, secretive{}).Result(ctx); err == nil || !strings.Contains(err.Error(), "no exported field") {
			t.Errorf("got %v", err)
		}
		loop := &linked{}
		loop.Next = loop
		if _, err := cyclic.Submit(ctx, p, loop).Result(ctx); err == nil || !strings.Contains(err.Error(), "cycle") {
			t.Errorf("an argument: %v", err)
		}
		if _, err := cyclic.Submit(ctx, p, nil).Result(ctx); err == nil || !strings.Contains(err.Error(), "value of test.cyclic") || !strings.Contains(err.Error(), "cycle") {
			t.Errorf("a value: %v", err)
		}
		if v, err := double.Submit(ctx, p, 4).Result(ctx); v != 8 || err != nil {
			t.Errorf("afterwards: %d, %v", v, err)
		}
		if n := len(p.Inspect().Workers); n != 1 {
			t.Errorf("%d workers", n)
		}
		// The same name with other types would be another program's mistake; an unknown
		// one, too.
		if _, err := (&futures.Func[int, int]{}).Submit(ctx, p, 1).Result(ctx); !errors.Is(err, futures.ErrNotRegistered) {
			t.Errorf("got %v", err)
		}
	})
}

// TestIdleWorkersGo and come back.
func TestIdleWorkersGo(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.IdleTimeout = 3, 20*time.Millisecond
		p := open(t, o)
		for range 3 {
			if v, err := double.Submit(t.Context(), p, 4).Result(t.Context()); v != 8 || err != nil {
				t.Fatalf("%d, %v", v, err)
			}
			for len(p.Inspect().Workers) > 0 {
				time.Sleep(time.Millisecond)
			}
		}
	})
}
