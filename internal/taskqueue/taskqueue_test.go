package taskqueue

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// catcher is an executor that hands over what it is given.
type catcher struct {
	host *host
	last *futures.Task
}

func (c *catcher) Execute(_ context.Context, t *futures.Task) error {
	t.Accept(c.host)
	c.last = t
	return nil
}
func (c *catcher) RunsLocally()                   {}
func (c *catcher) Close() error                   { return nil }
func (c *catcher) Shutdown(context.Context) error { return nil }

// host tells the queue what a pool's host tells it.
type host struct{ queue *Queue }

func (h *host) Cancelled(*futures.Task, bool) { h.queue.Cancelled() }
func (h *host) Block(*futures.Task)           {}
func (h *host) Unblock(*futures.Task)         {}

// task returns a new task that returns n.
func (q *Queue) task(n int, opts ...futures.Option) *futures.Task {
	c := &catcher{host: &host{q}}
	futures.Submit(context.Background(), c, func(context.Context) (int, error) { return n, nil }, opts...)
	return c.last
}

func number(t *testing.T, task *futures.Task) int {
	t.Helper()
	if !task.Run(0) {
		t.Fatal("the task did not run")
	}
	n, err := task.Handle().(*futures.Future[int]).Result(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newQueue(capacity int) *Queue { return New(capacity, false, func() {}) }

// TestOrder: Q2, across the boundaries of segments.
func TestOrder(t *testing.T) {
	const n = 3*segmentSize + 7
	q := newQueue(10 * n)
	for i := range n {
		for _, priority := range []int{0, 5, -3, 9} {
			if err := q.Push(context.Background(), q.task(i, futures.Priority(priority))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if queued, _ := q.Len(); queued != 4*n {
		t.Errorf("Len is %d, want %d", queued, 4*n)
	}
	var by Popper
	for _, priority := range []int{9, 5, 0, -3} {
		for i := range n {
			task := q.Pop(&by)
			if got := number(t, task); got != i || task.Priority() != priority {
				t.Fatalf("popped %d of priority %d, want %d of %d", got, task.Priority(), i, priority)
			}
		}
	}
	if !q.Empty(nil) || q.Pop(&by) != nil {
		t.Error("not empty after the last one")
	}
}

// TestEachOnce: Q1, Q2 and Q3 with pushers, poppers and a drainer at work.
func TestEachOnce(t *testing.T) {
	const pushers, each = 3, 5000
	q := newQueue(64)
	q.pushed = func() {}
	seen := make([]atomic.Int32, pushers*each)
	var left atomic.Int64
	left.Store(pushers * each)
	see := func(task *futures.Task) int {
		n := number(t, task)
		if seen[n].Add(1) != 1 {
			t.Errorf("Q1: %d was popped twice", n)
		}
		left.Add(-1)
		return n
	}
	var wg sync.WaitGroup
	for p := range pushers {
		wg.Go(func() {
			for i := range each {
				if err := q.Push(context.Background(), q.task(p*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 3 {
		wg.Go(func() {
			var by Popper
			last := [pushers]int{-1, -1, -1}
			for left.Load() > 0 {
				task := q.Pop(&by)
				if task == nil {
					runtime.Gosched()
					continue
				}
				n := see(task)
				if p := n / each; n <= last[p] {
					t.Errorf("Q2: %d after %d", n, last[p])
				} else {
					last[p] = n
				}
				q.Popped()
			}
		})
	}
	wg.Go(func() {
		r := rand.New(rand.NewPCG(1, 2))
		for left.Load() > 0 {
			if r.IntN(100) == 0 {
				for _, task := range q.Drain() {
					see(task)
				}
				q.Popped()
			}
			runtime.Gosched()
		}
	})
	wg.Wait()
	if queued, blocked := q.Len(); queued+blocked != 0 {
		t.Errorf("%d queued and %d blocked at the end", queued, blocked)
	}
}

// TestCancelledMakeRoom: Q4; what is cancelled neither takes room nor memory.
func TestCancelledMakeRoom(t *testing.T) {
	const capacity = 100
	q := New(capacity, true, func() {})
	var live []*futures.Task
	for i := range 50 {
		task := q.task(i)
		live = append(live, task)
		if err := q.Push(context.Background(), task); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100_000 {
		task := q.task(-i)
		if err := q.Push(context.Background(), task); err != nil {
			t.Fatalf("after %d cancelled: %v", i, err)
		}
		if !task.Cancel() {
			t.Fatal("Cancel of a queued task is false")
		}
	}
	q.mu.Lock()
	slots := q.len()
	q.mu.Unlock()
	if slots > capacity+2*segmentSize {
		t.Errorf("%d slots for 50 tasks", slots)
	}
	var by Popper
	for i := range live {
		task := q.Pop(&by)
		for task.State() == futures.Cancelled {
			q.Skipped()
			task = q.Pop(&by)
		}
		if n := number(t, task); n != i {
			t.Fatalf("popped %d, want %d", n, i)
		}
	}
	for task := q.Pop(&by); task != nil; task = q.Pop(&by) {
		q.Skipped()
	}
	if dead := q.dead.Load(); dead != 0 {
		t.Errorf("%d counted dead in an empty queue", dead)
	}
}

func TestFull(t *testing.T) {
	ctx := context.Background()
	t.Run("rejects", func(t *testing.T) {
		q := New(2, true, func() {})
		q.Push(ctx, q.task(1))
		q.Push(ctx, q.task(2))
		if err := q.Push(ctx, q.task(3)); err != futures.ErrQueueFull {
			t.Errorf("third of two: %v", err)
		}
		var by Popper
		q.Pop(&by)
		if err := q.Push(ctx, q.task(3)); err != nil {
			t.Errorf("after a Pop: %v", err)
		}
	})
	t.Run("waits in order", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			pushed := 0
			q := New(4, false, func() { pushed++ })
			for i := range 4 {
				q.Push(ctx, q.task(i))
			}
			for i := 4; i < 8; i++ {
				go q.Push(ctx, q.task(i))
				synctest.Wait()
			}
			if queued, blocked := q.Len(); queued != 4 || blocked != 4 {
				t.Fatalf("%d queued and %d blocked, want 4 and 4", queued, blocked)
			}
			var by Popper
			for i := range 8 {
				if n := number(t, q.Pop(&by)); n != i {
					t.Errorf("popped %d, want %d", n, i)
				}
				q.Popped()
			}
			if pushed == 0 {
				t.Error("Q3: nobody was told of what others made visible")
			}
		})
	})
	t.Run("context ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(1)
			q.Push(ctx, q.task(1))
			mine := errors.New("mine")
			ctx, cancel := context.WithCancelCause(ctx)
			result := make(chan error)
			go func() { result <- q.Push(ctx, q.task(2)) }()
			synctest.Wait()
			cancel(mine)
			if err := <-result; err != mine {
				t.Errorf("got %v, want the cause", err)
			}
			if _, blocked := q.Len(); blocked != 0 {
				t.Errorf("%d still blocked", blocked)
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(1)
			q.Push(ctx, q.task(1))
			result := make(chan error)
			go func() { result <- q.Push(ctx, q.task(2)) }()
			synctest.Wait()
			q.Refuse(futures.ErrClosed)
			q.Refuse(futures.ErrBroken)
			if err := <-result; err != futures.ErrClosed {
				t.Errorf("who waited: %v", err)
			}
			if err := q.Push(ctx, q.task(3)); err != futures.ErrClosed {
				t.Errorf("who came later: %v", err)
			}
			if q.Refusal() != futures.ErrClosed {
				t.Errorf("the first reason did not stay: %v", q.Refusal())
			}
		})
	})
}

// TestForgets: a segment does not keep what was popped.
func TestForgets(t *testing.T) {
	q := newQueue(10)
	var by Popper
	for i := range 5 {
		q.Push(context.Background(), q.task(i))
	}
	for range 5 {
		q.Pop(&by)
	}
	q.Push(context.Background(), q.task(5))
	for _, task := range q.Drain() {
		_ = task
	}
	s := q.first.Load()
	if i := slices.IndexFunc(s.slots[:], func(t *futures.Task) bool { return t != nil }); i >= 0 {
		t.Errorf("slot %d is not empty", i)
	}
}

// What does a task cost the queue alone?
func BenchmarkPushPop(b *testing.B) {
	q := newQueue(1024)
	tasks := make([]*futures.Task, 256)
	for i := range tasks {
		tasks[i] = q.task(i)
	}
	var by Popper
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		for _, t := range tasks {
			q.Push(ctx, t)
		}
		for range tasks {
			q.Pop(&by)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(tasks)), "ns/task")
}
