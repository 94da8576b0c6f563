package procpool_test

import (
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/procpool"
)

// TestExtrasOfPool holds the rows of MP, and those of PR that concern a pool.
func TestExtrasOfPool(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Logger = quiet
		ctx := t.Context()
		t.Run("PR-11 MP-03 no fork bomb, and what cannot travel is refused", func(t *testing.T) {
			if out := playRole(t, "without the guard line"); !strings.Contains(out, "ServeIfWorker") {
				t.Errorf("it says %q", out)
			}
			p := open(t, o)
			for range 20 {
				if err := unsendable.Submit(ctx, p, nil).Err(); err == nil {
					t.Error("a channel has travelled")
				}
			}
		})
		t.Run("MP-01 MP-08 unordered, and callbacks once", func(t *testing.T) {
			p := open(t, o)
			sum := 0
			for v, err := range double.Map(ctx, p, slices.Values([]int{1, 2, 3, 4}), futures.Unordered(), futures.Chunk(1)) {
				if err != nil {
					t.Error(err)
				}
				sum += v
			}
			if sum != 20 {
				t.Errorf("sum %d", sum)
			}
			var called atomic.Int32
			called2 := make(chan struct{})
			for _, how := range []string{"nothing", "error"} {
				f := ruin.Submit(ctx, p, how)
				f.OnDone(func(*futures.Future[string]) {
					if called.Add(1) == 2 {
						close(called2)
					}
				})
			}
			<-called2
			p.Close()
			if n := called.Load(); n != 2 {
				t.Errorf("%d callbacks", n)
			}
		})
		t.Run("MP-04 a map goes on after a failure, a gather does not", func(t *testing.T) {
			p := open(t, o)
			failed, good := 0, 0
			for _, err := range ruin.Map(ctx, p, slices.Values([]string{"error", "nothing", "panic", "nothing"})) {
				if err != nil {
					failed++
				} else {
					good++
				}
			}
			if failed != 2 || good != 2 {
				t.Errorf("%d failed, %d not", failed, good)
			}
		})
		t.Run("MP-05 Kill with 10 000 queued long tasks", func(t *testing.T) {
			o := o
			o.Queue, o.Workers = 20_000, 2
			p := open(t, o)
			var fs []*futures.Future[string]
			for range 10_000 {
				fs = append(fs, ruin.Submit(ctx, p, "busy loop"))
			}
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			for i, f := range fs {
				if !f.State().Done() || f.Err() == nil {
					t.Fatalf("task %d is %v", i, f.State())
				}
			}
		})
		t.Run("MP-07 a start that fails leaves nothing", func(t *testing.T) {
			p := open(t, procpool.Options{Command: []string{"/nowhere"}, Logger: quiet, Workers: 4})
			if err := double.Submit(ctx, p, 1).Err(); err == nil {
				if _, err := double.Submit(ctx, p, 1).Result(ctx); !errors.Is(err, futures.ErrBroken) {
					t.Errorf("got %v", err)
				}
			}
			if err := p.Close(); !errors.Is(err, futures.ErrBroken) {
				t.Errorf("Close: %v", err)
			}
		})
		t.Run("MP-09 PP-01 a pool of 128", func(t *testing.T) {
			o := o
			o.Workers, o.Queue = 128, 256
			p := open(t, o)
			file := gate(t, p)
			var fs []*futures.Future[int]
			for range 128 {
				fs = append(fs, await.Submit(ctx, p, file))
			}
			for p.Inspect().Running < 128 {
				time.Sleep(time.Millisecond)
			}
			openGate(t, file)
			pids, err := futures.Gather(ctx, fs...)
			slices.Sort(pids)
			if n := len(slices.Compact(pids)); n != 128 || err != nil {
				t.Errorf("%d processes, %v", n, err)
			}
		})
		t.Run("MP-10 what a task was called with is released when it is done", func(t *testing.T) {
			p := open(t, o)
			released := make(chan struct{})
			f := func() *futures.Future[int] {
				in := &linked{N: 3}
				runtime.AddCleanup(in, func(c chan struct{}) { close(c) }, released)
				return count.Submit(ctx, p, in)
			}()
			if v, err := f.Result(ctx); v != 3 || err != nil {
				t.Errorf("%d, %v", v, err)
			}
			for open := true; open; {
				runtime.GC()
				select {
				case <-released:
					open = false
				case <-time.After(time.Millisecond):
				}
			}
			runtime.KeepAlive(f)
		})
		t.Run("PR-07 100 short pools", func(t *testing.T) {
			for i := range 100 {
				p := open(t, o)
				if i%2 == 0 {
					if v, err := double.Submit(ctx, p, i).Result(ctx); v != 2*i || err != nil {
						t.Fatalf("%d, %v", v, err)
					}
					p.Close()
				} else {
					f := ruin.Submit(ctx, p, "SIGKILL")
					if e, ok := errors.AsType[*futures.CrashError](f.Err()); f.State().Done() && (!ok || e.Signal != "SIGKILL") {
						t.Fatalf("got %v", f.Err())
					}
					p.Kill()
				}
			}
		})
	})
}

// TestInitializer holds IN-01 and IN-02 for processes, and SD-13: on demand, and gone.
func TestInitializer(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		t.Run("IN-01 SD-13", func(t *testing.T) {
			o := o
			o.Workers, o.Init = 3, procpool.Initialize(Load, "m")
			p := open(t, o)
			for range 20 {
				if v, err := Ask.Submit(t.Context(), p, "it").Result(t.Context()); v != "the model m says yes to it" || err != nil {
					t.Errorf("%q, %v", v, err)
				}
			}
			if n := len(p.Inspect().Workers); n != 1 {
				t.Errorf("%d workers for one task at a time", n)
			}
			p.Close()
			if n := len(p.Inspect().Workers); n != 0 {
				t.Errorf("%d workers are left", n)
			}
		})
	})
}

// TestEventsAndInspect: what a dashboard sees.
func TestEventsAndInspect(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		events := make(chan inspect.Event, 100)
		o.Workers, o.Logger = 1, quiet
		o.Events = func(e inspect.Event) { events <- e }
		p := open(t, o)
		file := gate(t, p)
		f := await.Submit(t.Context(), p, file)
		waitFor(file + ".started")
		queued := double.Submit(t.Context(), p, 1)
		s := p.Inspect()
		if len(s.Workers) != 1 || s.Workers[0].PID == 0 || s.Workers[0].Task != "test.await" || s.Workers[0].State != inspect.Busy ||
			s.Running != 1 || s.Queued != 1 || s.Kind != "procpool" || s.Workers[0].RSS == 0 && runtime.GOOS == "linux" {
			t.Errorf("%+v", s)
		}
		openGate(t, file)
		if _, err := futures.Gather(t.Context(), f, queued); err != nil {
			t.Error(err)
		}
		p.Close()
		if c := p.Inspect().Functions["test.double"]; c.Succeeded != 1 {
			t.Errorf("%+v", c)
		}
		close(events)
		seen := make(map[inspect.EventKind]int)
		for e := range events {
			seen[e.Kind]++
		}
		want := map[inspect.EventKind]int{inspect.TaskQueued: 2, inspect.TaskStarted: 2, inspect.TaskDone: 2, inspect.WorkerStart: 1, inspect.WorkerExit: 1, inspect.ExecutorDown: 1}
		for kind, n := range want {
			if seen[kind] != n {
				t.Errorf("%d of %q, want %d", seen[kind], kind, n)
			}
		}
	})
}
