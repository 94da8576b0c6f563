package procpool_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// latencies collects times of one kind of event.
type latencies []time.Duration

func (l *latencies) since(began time.Time) { *l = append(*l, time.Since(began)) }

// report adds the median and the 99th percentile, in microseconds.
func (l latencies) report(b *testing.B, name string) {
	if len(l) == 0 {
		return
	}
	slices.Sort(l)
	b.ReportMetric(float64(l[len(l)/2].Nanoseconds())/1e3, name+"-p50-µs")
	b.ReportMetric(float64(l[len(l)*99/100].Nanoseconds())/1e3, name+"-p99-µs")
}

// BenchmarkPipe is the bare mechanism: 8 bytes to another Go process and back through two
// pipes, as what BenchmarkRoundTrip can be compared with.
func BenchmarkPipe(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "PROCPOOL_TEST_ROLE=pipe", "GOMAXPROCS=1")
	to, _ := cmd.StdinPipe()
	from, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 8)
	for b.Loop() {
		_, _ = to.Write(buf)
		if _, err := io.ReadFull(from, buf); err != nil {
			b.Fatal(err)
		}
	}
	_ = to.Close()
	_ = cmd.Wait()
}

func init() {
	roles["pipe"] = func() {
		buf := make([]byte, 8)
		for {
			if _, err := io.ReadFull(os.Stdin, buf); err != nil {
				os.Exit(0)
			}
			_, _ = os.Stdout.Write(buf)
		}
	}
}

// BenchmarkLatency is BenchmarkRoundTrip with median and 99th percentile: where the system
// puts program and worker, and with both on one processor, and with one for each.
func BenchmarkLatency(b *testing.B) {
	placements := []struct {
		name           string
		parent, worker []int // processors; none for all
	}{{"anywhere", nil, nil}, {"one CPU", []int{0}, []int{0}}, {"two CPUs", []int{0}, []int{1}}}
	modes(b, func(b *testing.B, o procpool.Options) {
		for _, place := range placements {
			b.Run(place.name, func(b *testing.B) {
				if slices.Max(append(place.worker, 0)) >= runtime.NumCPU() {
					b.Skip("NOT MEASURED: there are too few processors")
				}
				o.Workers = 1
				p := open(b, o)
				warm(b, p, 1)
				pin(b, os.Getpid(), place.parent)
				pin(b, p.Inspect().Workers[0].PID, place.worker)
				ctx := context.Background()
				var l latencies
				for b.Loop() {
					began := time.Now()
					if _, err := nothing.Submit(ctx, p, 1).Result(ctx); err != nil {
						b.Fatal(err)
					}
					l.since(began)
				}
				l.report(b, "call")
			})
		}
	})
}

// pin keeps the threads of a process on some processors until the benchmark ends.
func pin(b *testing.B, pid int, cpus []int) {
	b.Helper()
	if len(cpus) == 0 {
		return
	}
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &before); err != nil {
		b.Fatal(err)
	}
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	to := func(set *unix.CPUSet) {
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, thread := range threads {
			if id, err := strconv.Atoi(thread.Name()); err == nil {
				_ = unix.SchedSetaffinity(id, set) // one that has just ended needs none
			}
		}
	}
	to(&set)
	b.Cleanup(func() { to(&before) })
}

// nap waits, as a task does that waits for something else.
var nap = futures.Define("bench.nap", func(_ context.Context, d time.Duration) (int, error) {
	time.Sleep(d)
	return 0, nil
})

// BenchmarkShortBehindLong asks how long short tasks take while tasks of 20 ms run and one
// worker is idle.
func BenchmarkShortBehindLong(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		p := open(b, o)
		warm(b, p, 2)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				_, _ = nap.Submit(context.Background(), p, 20*time.Millisecond).Result(context.Background())
			}
		}()
		var l latencies
		for b.Loop() {
			time.Sleep(200 * time.Microsecond)
			began := time.Now()
			_, _ = nothing.Submit(context.Background(), p, 1).Result(context.Background())
			l.since(began)
		}
		stop()
		<-done
		l.report(b, "short")
	})
}

// BenchmarkCold asks how long the first result of a new pool takes, and what it costs to
// open and close one.
func BenchmarkCold(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		var l latencies
		for b.Loop() {
			began := time.Now()
			p, err := procpool.New(o)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := nothing.Submit(context.Background(), p, 1).Result(context.Background()); err != nil {
				b.Fatal(err)
			}
			l.since(began)
			_ = p.Close()
		}
		l.report(b, "first")
	})
}

// BenchmarkKilled asks how long after a SIGKILL the task fails, and how long it takes until
// another one has been run by the new worker.
func BenchmarkKilled(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		o.Workers, o.Logger = 1, quiet
		p := open(b, o)
		warm(b, p, 1)
		ctx := context.Background()
		var fails, again latencies
		for b.Loop() {
			f := nap.Submit(ctx, p, time.Hour)
			waitRunning(f)
			time.Sleep(time.Millisecond) // over a pipe, Running is said a moment before the function runs
			pid := p.Inspect().Workers[0].PID
			began := time.Now()
			_ = syscall.Kill(pid, syscall.SIGKILL)
			if _, err := f.Result(ctx); err == nil {
				b.Fatal("it has survived")
			}
			fails.since(began)
			if _, err := nothing.Submit(ctx, p, 1).Result(ctx); err != nil {
				b.Fatal(err)
			}
			again.since(began)
		}
		fails.report(b, "fails")
		again.report(b, "ready")
	})
}

// BenchmarkCancelQueued asks what it costs to cancel a task that waits for a worker.
func BenchmarkCancelQueued(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		o.Workers, o.Queue, o.KillGrace = 1, 1<<20, time.Millisecond
		p := open(b, o)
		ctx := context.Background()
		hold := nap.Submit(ctx, p, time.Hour)
		waitRunning(hold)
		fs := make([]*futures.Future[int64], 0, 1000)
		var spent time.Duration
		n := 0
		for b.Loop() {
			fs = append(fs, nothing.Submit(ctx, p, 1))
			if len(fs) == cap(fs) {
				began := time.Now()
				for _, f := range fs {
					if !f.Cancel() {
						b.Fatal("it was not queued")
					}
				}
				spent += time.Since(began)
				n += len(fs)
				fs = fs[:0]
			}
		}
		for _, f := range fs {
			f.Cancel()
		}
		hold.Cancel()
		if n > 0 {
			b.ReportMetric(float64(spent.Nanoseconds())/float64(n), "ns/cancel")
		}
	})
}

// length receives a large argument.
var length = futures.Define("bench.length", func(_ context.Context, b []byte) (int, error) { return len(b), nil })

// BenchmarkLarge asks how long 64 MiB take one way, from Submit to the result of a function
// that does not look at them; and for comparison what it takes to copy them.
func BenchmarkLarge(b *testing.B) {
	const size = 64 << 20
	big := bytes.Repeat([]byte{1}, size)
	modes(b, func(b *testing.B, o procpool.Options) {
		o.Workers = 1
		p := open(b, o)
		ctx := context.Background()
		b.SetBytes(size)
		var l latencies
		for b.Loop() {
			began := time.Now()
			if n, err := length.Submit(ctx, p, big).Result(ctx); n != size || err != nil {
				b.Fatal(n, err)
			}
			l.since(began)
		}
		l.report(b, "64MiB")
	})
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(size)
		to := make([]byte, size)
		for b.Loop() {
			copy(to, big)
		}
	})
	b.Run("copy into new memory", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			sink = append([]byte(nil), big...)
		}
	})
}

var sink []byte

// BenchmarkIdle asks what 64 idle workers cost: processor time of all in ten seconds, in ticks
// of 10 ms, and private memory of each.
func BenchmarkIdle(b *testing.B) {
	modes(b, func(b *testing.B, o procpool.Options) {
		const workers = 64
		o.Workers, o.Queue = workers, 2*workers
		p := open(b, o)
		ctx := context.Background()
		var fs []*futures.Future[int]
		for range workers {
			fs = append(fs, nap.Submit(ctx, p, 50*time.Millisecond))
		}
		if _, err := futures.Gather(ctx, fs...); err != nil {
			b.Fatal(err)
		}
		pids := []int{os.Getpid()}
		for _, w := range p.Inspect().Workers {
			pids = append(pids, w.PID)
		}
		time.Sleep(200 * time.Millisecond) // until all are parked
		for b.Loop() {
			before := ticks(pids)
			time.Sleep(10 * time.Second)
			b.ReportMetric(float64(ticks(pids)-before), "ticks/10s")
		}
		var private int
		for _, pid := range pids[1:] {
			private += privateKB(pid)
		}
		b.ReportMetric(float64(private)/float64(len(pids)-1), "private-KB/worker")
	})
}

// ticks returns the processor time of processes, in ticks of 10 ms.
func ticks(pids []int) (n int) {
	for _, pid := range pids {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		var user, system int
		if fields := strings.Fields(rest); len(fields) > 12 {
			_, _ = fmt.Sscan(fields[11], &user)
			_, _ = fmt.Sscan(fields[12], &system)
		}
		n += user + system
	}
	return n
}

func privateKB(pid int) (kb int) {
	smaps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(smaps)) {
		var n int
		if strings.HasPrefix(line, "Private_") {
			_, _ = fmt.Sscan(strings.Fields(line)[1], &n)
			kb += n
		}
	}
	return kb
}

// BenchmarkPython is what CPython's ProcessPoolExecutor and multiprocessing.Pool do with an
// empty function on this machine, in the same run, where there is a python3: one call after
// another, many at a time, maps, bytes, the first result, and how soon a death is told.
func BenchmarkPython(b *testing.B) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("NOT MEASURED: there is no python3")
	}
	const program = `
import time, os, signal
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Pool
def f(n): return 0
def echo(b): return b
def die(n): os.kill(os.getpid(), signal.SIGKILL)
def timed(name, n, g):
    t = time.perf_counter(); g(); print(name, (time.perf_counter() - t) / n * 1e6)
def cold():
    with ProcessPoolExecutor(2) as ex: timed("executor-cold-µs", 1, lambda: ex.submit(f, 1).result())
def death():
    with ProcessPoolExecutor(2) as ex:
        ex.submit(f, 1).result()
        timed("executor-death-µs", 1, lambda: ex.submit(die, 1).exception())
if __name__ == "__main__":
    cold()
    death()
    with ProcessPoolExecutor(2) as ex:
        list(ex.map(f, range(100)))
        def calls():
            for i in range(2000): ex.submit(f, i).result()
        timed("executor-call-µs", 2000, calls)
        timed("executor-pipelined-µs", 5000, lambda: [x.result() for x in [ex.submit(f, i) for i in range(5000)]])
        timed("executor-map100-µs", 200000, lambda: list(ex.map(f, range(200000), chunksize=100)))
        for name, size, n in ("1KiB", 1 << 10, 3000), ("64KiB", 1 << 16, 1000):
            b = bytes(size)
            timed("executor-echo-" + name + "-µs", n, lambda: [x.result() for x in [ex.submit(echo, b) for i in range(n)]])
        big = bytes(64 << 20)
        timed("executor-64MiB-µs", 3, lambda: [ex.submit(len, big).result() for i in range(3)])
    with Pool(2) as p:
        p.map(f, range(100))
        def applies():
            for i in range(2000): p.apply(f, (i,))
        timed("pool-apply-µs", 2000, applies)
        timed("pool-map-µs", 1000000, lambda: p.map(f, range(1000000)))
`
	for b.Loop() {
		out, err := exec.Command(python, "-c", program).CombinedOutput()
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		for line := range strings.Lines(string(out)) {
			var name string
			var value float64
			if n, _ := fmt.Sscan(line, &name, &value); n == 2 {
				b.ReportMetric(value, name)
			}
		}
	}
}

// BenchmarkPlacement tells on which processors parent and worker were, as the same code
// takes 0.3 or 60 µs depending on that. Run it with the others.
func BenchmarkPlacement(b *testing.B) {
	p := open(b, procpool.Options{Workers: 1})
	ctx := context.Background()
	var same, n float64
	for b.Loop() {
		there, err := whichCPU.Submit(ctx, p, struct{}{}).Result(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if n++; there == currentCPU() {
			same++
		}
	}
	b.ReportMetric(100*same/n, "%same-CPU")
	b.ReportMetric(float64(runtime.NumCPU()), "CPUs")
}

var whichCPU = futures.Define("bench.cpu", func(context.Context, struct{}) (int, error) { return currentCPU(), nil })

// currentCPU returns the processor that this thread last ran on.
func currentCPU() int {
	stat, _ := os.ReadFile("/proc/thread-self/stat")
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	cpu := -1
	if len(fields) > 36 {
		_, _ = fmt.Sscan(fields[36], &cpu)
	}
	return cpu
}
