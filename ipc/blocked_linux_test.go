package ipc_test

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

type blocking struct {
	Queue      *ipc.Queue[int]
	Goroutines int
}

type blocked struct {
	Threads int           // of the process while all wait
	Cancel  time.Duration // from the end of their context until the last has returned
}

// blockMany has many goroutines wait for values that never come.
var blockMany = futures.Define("test.blockMany", func(ctx context.Context, in blocking) (out blocked, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for range in.Goroutines {
		group.Go(func() { _, _ = in.Queue.Get(ctx) })
	}
	stacks := make([]byte, 4<<20)
	for {
		all := stacks[:runtime.Stack(stacks, true)]
		if bytes.Count(all, []byte("[select")) >= in.Goroutines {
			break
		}
		time.Sleep(time.Millisecond)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return out, err
	}
	_, after, _ := strings.Cut(string(status), "Threads:")
	if out.Threads, err = strconv.Atoi(strings.Fields(after)[0]); err != nil {
		return out, err
	}
	start := time.Now()
	cancel()
	group.Wait()
	out.Cancel = time.Since(start)
	return out, nil
})

// A goroutine that waits costs no thread.
func TestWaitersCostNoThreads(t *testing.T) {
	p := open(t, 1)
	out := outcomeOf(t, blockMany.Submit(t.Context(), p, blocking{newQueue[int](t, ipc.QueueOptions{}), 1000}))
	if out.Threads > 12 {
		t.Errorf("%d threads for 1000 goroutines", out.Threads)
	}
	t.Logf("%d threads, cancelled in %v", out.Threads, out.Cancel)
}

// How many threads do 1000 goroutines in Get cost, and how long does it take to cancel them?
func BenchmarkBlocked(b *testing.B) {
	p := benchPool(b, 1)
	q := newQueue[int](b, ipc.QueueOptions{})
	var cancels []time.Duration
	var threads int
	for range b.N {
		out := outcomeOf(b, blockMany.Submit(b.Context(), p, blocking{q, 1000}))
		threads, cancels = max(threads, out.Threads), append(cancels, out.Cancel)
	}
	reportSamples(b, cancels)
	b.ReportMetric(float64(threads), "threads")
}
