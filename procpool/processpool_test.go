package procpool_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

var (
	pid = futures.Define("test.pid", func(context.Context, int) (int, error) { return os.Getpid(), nil })

	// await waits until a file exists, and says by another one that it does.
	await = futures.Define("test.await", func(ctx context.Context, file string) (int, error) {
		if err := os.WriteFile(file+".started", nil, 0o600); err != nil {
			return 0, err
		}
		for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) { // many may wait
			if _, err := os.Stat(file); err == nil {
				return os.Getpid(), os.WriteFile(file+".finished", nil, 0o600)
			}
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(wait):
			}
		}
	})

	// nested opens a pool in a worker.
	nested = futures.Define("test.nested", func(ctx context.Context, depth int) (pids []int, err error) {
		if depth == 0 {
			return []int{os.Getpid()}, nil
		}
		p, err := procpool.New(procpool.Options{Workers: 1})
		if err != nil {
			return nil, err
		}
		defer p.Close()
		below, err := submitNested(ctx, p, depth-1)
		return append(below, os.Getpid()), err
	})
)

// submitNested is nested.Submit, which nested cannot name itself.
var submitNested func(ctx context.Context, p *procpool.Pool, depth int) ([]int, error)

func init() {
	submitNested = func(ctx context.Context, p *procpool.Pool, depth int) ([]int, error) {
		return nested.Submit(ctx, p, depth).Result(ctx)
	}
}

// count adds up a list.
var count = futures.Define("test.count", func(_ context.Context, l *linked) (n int, err error) {
	for ; l != nil; l = l.Next {
		n += l.N
	}
	return n, nil
})

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

func waitFor(file string) {
	for !exists(file) {
		time.Sleep(100 * time.Microsecond)
	}
}

// gate is a file that tasks wait for.
// gate returns the name of a file that tasks of p wait for; p ends before its directory does.
func gate(t *testing.T, p *procpool.Pool) string {
	dir := t.TempDir()
	t.Cleanup(func() { p.Close() })
	return dir + "/gate"
}

func openGate(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestProcessPool holds the rows of the group PP.
func TestProcessPool(t *testing.T) {
	each := func(name string, test func(t *testing.T, ctx context.Context, o procpool.Options)) {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, o procpool.Options) { o.Logger = quiet; test(t, t.Context(), o) })
		})
	}
	each("PP-02 without shared memory", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Isolated = true // nothing but pipes
		if v, err := double.Submit(ctx, open(t, o), 4).Result(ctx); v != 8 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
	})
	each("PP-03 PP-04 a killed worker breaks a pool that was told so", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers, o.BreakOnCrash = 1, true
		p := open(t, o)
		killed, queued := ruin.Submit(ctx, p, "SIGKILL"), double.Submit(ctx, p, 1)
		_, err1 := killed.Result(ctx)
		_, err2 := queued.Result(ctx)
		for _, err := range []error{err1, err2, double.Submit(ctx, p, 1).Err()} {
			if !errors.Is(err, futures.ErrBroken) {
				t.Errorf("got %v", err)
			}
		}
		if err1 == err2 || !strings.Contains(err1.Error(), "test.ruin") || !strings.Contains(err2.Error(), "test.double") {
			t.Errorf("not each names its task: %v; %v", err1, err2)
		}
	})
	each("PP-05 chunks are invisible", func(t *testing.T, ctx context.Context, o procpool.Options) {
		p := open(t, o)
		for _, chunk := range []int{6, 50, 40, 1} {
			i := 0
			inputs := func(yield func(int) bool) {
				for n := range 40 {
					if !yield(n) {
						return
					}
				}
			}
			for v, err := range double.Map(ctx, p, inputs, futures.Chunk(chunk)) {
				if v != 2*i || err != nil {
					t.Errorf("chunk %d, item %d: %d, %v", chunk, i, v, err)
				}
				i++
			}
			if i != 40 {
				t.Errorf("chunk %d: %d items", chunk, i)
			}
		}
		defer func() {
			if recover() == nil {
				t.Error("Chunk(-1) does not panic")
			}
		}()
		futures.Chunk(-1)
	})
	each("PP-06 an error has the remote stack", func(t *testing.T, ctx context.Context, o procpool.Options) {
		p := open(t, o)
		_, err := ruin.Submit(ctx, p, "panic").Result(ctx)
		if !strings.Contains(fmt.Sprintf("%+v", err), "failures_test.go") {
			t.Errorf("%%+v shows no stack: %+v", err)
		}
		_, err = ruin.Submit(ctx, p, "error").Result(ctx)
		if e, ok := errors.AsType[*futures.RemoteError](err); !ok || e.Type != "*fmt.wrapError" || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %#v", err)
		}
	})
	each("PP-07 a worker that exits is named with its exit code", func(t *testing.T, ctx context.Context, o procpool.Options) {
		_, err := ruin.Submit(ctx, open(t, o), "os.Exit").Result(ctx)
		e, ok := errors.AsType[*futures.CrashError](err)
		if !ok || e.PID == 0 || e.ExitCode != 7 || !strings.Contains(e.Stderr, "going") || !strings.Contains(e.Error(), fmt.Sprint(e.PID)) {
			t.Errorf("got %#v", err)
		}
	})
	each("PP-09 never more processes than workers", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers, o.Queue = 3, 100
		p := open(t, o)
		file := gate(t, p)
		var fs []*futures.Future[int]
		for range 15 * 3 {
			fs = append(fs, await.Submit(ctx, p, file))
		}
		waitFor(file + ".started")
		if n := len(p.Inspect().Workers); n > 3 {
			t.Errorf("%d workers", n)
		}
		openGate(t, file)
		pids, err := futures.Gather(ctx, fs...)
		slices.Sort(pids)
		if n := len(slices.Compact(pids)); n > 3 || err != nil {
			t.Errorf("%d processes, %v", n, err)
		}
	})
	each("PP-10 one after the other take one process", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers = 4
		p := open(t, o)
		first, _ := pid.Submit(ctx, p, 0).Result(ctx)
		for range 20 {
			if next, err := pid.Submit(ctx, p, 0).Result(ctx); next != first || err != nil {
				t.Errorf("process %d after %d, %v", next, first, err)
			}
		}
	})
	each("PP-11 an idle process is used again", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers = 8
		p := open(t, o)
		for range 5 {
			file := gate(t, p)
			a, b, c := await.Submit(ctx, p, file), await.Submit(ctx, p, file), await.Submit(ctx, p, file)
			openGate(t, file)
			if _, err := futures.Gather(ctx, a, b, c); err != nil {
				t.Error(err)
			}
		}
		if n := len(p.Inspect().Workers); n > 3 {
			t.Errorf("%d workers for 3 tasks at a time", n)
		}
	})
	each("PP-12 a process is replaced after so many tasks", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers, o.MaxTasksPerWorker = 1, 3
		p := open(t, o)
		var pids []int
		for range 7 {
			n, err := pid.Submit(ctx, p, 0).Result(ctx)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, n)
		}
		if pids[0] != pids[2] || pids[2] == pids[3] || pids[3] != pids[5] || pids[5] == pids[6] {
			t.Errorf("processes %v", pids)
		}
	})
	each("PP-14 MP-06 a backlog larger than what the processes may do", func(t *testing.T, ctx context.Context, o procpool.Options) {
		for _, c := range [][3]int{{1, 2, 6}, {2, 2, 8}, {2, 1, 20}} {
			o.Workers, o.MaxTasksPerWorker = c[0], c[1]
			p := open(t, o)
			var fs []*futures.Future[int]
			for n := range c[2] {
				fs = append(fs, double.Submit(ctx, p, n))
			}
			if _, err := futures.Gather(ctx, fs...); err != nil {
				t.Errorf("%v: %v", c, err)
			}
		}
	})
	each("PP-16 a pool that nobody refers to finishes its work", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.MaxTasksPerWorker, o.Workers = 1, 1
		p, err := procpool.New(o)
		if err != nil {
			t.Fatal(err)
		}
		var fs []*futures.Future[int]
		for n := range 4 {
			fs = append(fs, double.Submit(ctx, p, n))
		}
		closing := p.Close
		p = nil
		runtime.GC()
		if _, err := futures.Gather(ctx, fs...); err != nil {
			t.Error(err)
		}
		closing()
	})
	each("PP-17 PP-24 PP-27 SD-04 a pool that is killed", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers, o.MaxTasksPerWorker = 1, 1
		p := open(t, o)
		file := gate(t, p)
		running, queued := await.Submit(ctx, p, file), double.Submit(ctx, p, 1)
		waitFor(file + ".started")
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		e, ok := errors.AsType[*futures.CrashError](running.Err())
		if !ok || e.Signal != "SIGKILL" || exists(file+".finished") {
			t.Errorf("running: %v", running.Err())
		}
		for _, err := range []error{queued.Err(), double.Submit(ctx, p, 1).Err()} {
			if !errors.Is(err, futures.ErrClosed) || !strings.Contains(err.Error(), "forcefully shut down") {
				t.Errorf("queued, or late: %v", err)
			}
		}
		if n := len(p.Inspect().Workers); n != 0 {
			t.Errorf("%d workers are left", n)
		}
	})
	each("PP-19 closing early with one task for each process", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers, o.MaxTasksPerWorker = 3, 1
		p := open(t, o)
		var fs []*futures.Future[int]
		for n := range 6 {
			fs = append(fs, double.Submit(ctx, p, n))
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		for n, f := range fs {
			if v, err, done := f.TryResult(); v != 2*n || err != nil || !done {
				t.Errorf("task %d: %d, %v, %v", n, v, err, done)
			}
		}
	})
	each("PP-21 Terminate terminates", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.KillGrace = time.Minute
		p := open(t, o)
		file := gate(t, p)
		f := await.Submit(ctx, p, file)
		waitFor(file + ".started")
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
		if e, ok := errors.AsType[*futures.CrashError](f.Err()); !ok || e.Signal != "SIGTERM" && runtime.GOOS != "windows" {
			t.Errorf("got %v", f.Err())
		}
	})
	each("PP-22 PP-25 Kill kills, also what is dead", func(t *testing.T, ctx context.Context, o procpool.Options) {
		p := open(t, o)
		f := ruin.Submit(ctx, p, "SIGKILL")
		<-f.Done()
		for range 2 {
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
	})
	each("PP-28 default size", func(t *testing.T, _ context.Context, o procpool.Options) {
		if n := open(t, o).Size(); n != runtime.GOMAXPROCS(0) {
			t.Errorf("%d", n)
		}
	})
	each("PP-29 running means that a worker has started it", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers = 2
		p := open(t, o)
		file := gate(t, p)
		var fs []*futures.Future[int]
		for range 8 {
			fs = append(fs, await.Submit(ctx, p, file))
		}
		running := func() (n int) {
			for _, f := range fs {
				if f.State() == futures.Running {
					n++
				}
			}
			return n
		}
		for running() < 2 {
			time.Sleep(100 * time.Microsecond)
		}
		if n := running(); n != 2 {
			t.Errorf("%d running", n)
		}
		cancelled := 0
		for _, f := range slices.Backward(fs) {
			if f.State() == futures.Pending && f.Cancel() {
				cancelled++
			}
		}
		if cancelled != 6 {
			t.Errorf("%d cancelled", cancelled)
		}
		openGate(t, file)
	})
	each("PP-30 PP-31 what cannot be encoded or decoded is that future's", func(t *testing.T, ctx context.Context, o procpool.Options) {
		o.Workers = 1
		p := open(t, o)
		before, _ := pid.Submit(ctx, p, 0).Result(ctx)
		for range 20 {
			if _, err := cyclic.Submit(ctx, p, nil).Result(ctx); err == nil {
				t.Error("a cycle has travelled")
			}
			if _, err := strange.Submit(ctx, p, "error").Result(ctx); err == nil || !strings.Contains(err.Error(), "panicked") {
				t.Errorf("got %v", err)
			}
		}
		if after, err := pid.Submit(ctx, p, 0).Result(ctx); after != before || err != nil {
			t.Errorf("process %d after %d, %v", after, before, err)
		}
	})
	each("PP-32 PR-13 a worker has a pool of its own", func(t *testing.T, ctx context.Context, o procpool.Options) {
		pids, err := nested.Submit(ctx, open(t, o), 2).Result(ctx)
		slices.Sort(pids)
		if err != nil || len(slices.Compact(pids)) != 3 {
			t.Errorf("%v, %v", pids, err)
		}
	})
}
