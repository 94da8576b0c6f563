package procpool_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// What a worker in another language runs is defined here too, for the types.
var (
	pyDouble = futures.Define("python.double", func(context.Context, int64) (int64, error) { panic("not here") })
	pyFail   = futures.Define("python.fail", func(context.Context, string) (int, error) { panic("not here") })
	pyWait   = futures.Define("python.wait", func(context.Context, string) (int, error) { panic("not here") })
	pyCrash  = futures.Define("python.crash", func(context.Context, int) (int, error) { panic("not here") })
)

// TestPythonWorker: a worker that was written from PROTOCOL.md alone.
func TestPythonWorker(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("FUTURES_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("NOT TESTED: there is no python3, which CI must have")
	}
	p := open(t, procpool.Options{
		Command: []string{python, "testdata/worker.py"}, Workers: 2, MaxTasksPerWorker: 50,
		Stdout: discard, Stderr: discard, Logger: quiet, KillGrace: 5 * time.Second,
	})
	ctx := t.Context()
	for n := range int64(120) { // over the end of a worker
		if v, err := pyDouble.Submit(ctx, p, n-60).Result(ctx); v != 2*(n-60) || err != nil {
			t.Fatalf("%d, %v", v, err)
		}
	}
	i := int64(0)
	for v, err := range pyDouble.Map(ctx, p, func(yield func(int64) bool) {
		for n := range int64(100) {
			if !yield(n << 20) {
				return
			}
		}
	}) {
		if v != 2*(i<<20) || err != nil {
			t.Fatalf("item %d: %d, %v", i, v, err)
		}
		i++
	}
	_, err = pyFail.Submit(ctx, p, "no such thing").Result(ctx)
	if e, ok := errors.AsType[*futures.RemoteError](err); !ok || e.Type != "ValueError" || e.Message != "no such thing" {
		t.Errorf("got %#v", err)
	}
	f := pyWait.Submit(ctx, p, "")
	waitRunning(f)
	f.Cancel()
	if _, err := f.Result(ctx); !errors.Is(err, futures.ErrCancelled) || f.State() != futures.Cancelled {
		t.Errorf("%v: %v", f.State(), err)
	}
	_, err = pyCrash.Submit(ctx, p, 7).Result(ctx)
	if e, ok := errors.AsType[*futures.CrashError](err); !ok || e.ExitCode != 7 || !strings.Contains(e.Stderr, "going down") {
		t.Errorf("got %v", err)
	}
	if _, err := double.Submit(ctx, p, 1).Result(ctx); !errors.Is(err, futures.ErrNotRegistered) {
		t.Errorf("got %v", err)
	}
	if v, err := pyDouble.Submit(ctx, p, 4).Result(ctx); v != 8 || err != nil {
		t.Errorf("afterwards: %d, %v", v, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
