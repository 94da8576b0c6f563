package gopool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
)

func textLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// recorder keeps events as short texts.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) note(e inspect.Event) {
	text := fmt.Sprintf("%s w%d", e.Kind, e.Worker)
	if e.Task != "" {
		text += fmt.Sprintf(" a%d", e.Attempt)
	}
	if e.Outcome != "" {
		text += " " + e.Outcome
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, text)
}

func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

// TestEvents: what a listener is told of a pool with one worker, in order.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var all recorder
		pool := gopool.New(gopool.Options{Workers: 1, Name: "stage", Logger: quiet, Events: all.note})
		expect := func(what string, want ...string) {
			t.Helper()
			synctest.Wait()
			if got := all.take(); !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		}
		expect("a new pool")
		futures.Submit(ctx, pool, value(1)).Result(ctx)
		expect("a value", "task queued w-1 a0", "worker started w0", "task started w0 a1", "task done w0 a1 succeeded")
		futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New("no") }).Result(ctx)
		expect("an error", "task queued w-1 a0", "task started w0 a1", "task done w0 a1 failed: no")
		futures.Submit(ctx, pool, func(context.Context) (int, error) { panic("oh") }).Result(ctx)
		expect("a panic", "task queued w-1 a0", "task started w0 a1", "task done w0 a1 failed: futures: task panicked: oh")
		futures.Submit(ctx, pool, func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }).Result(ctx)
		expect("Goexit", "task queued w-1 a0", "task started w0 a1", "task done w0 a1 failed: futures: task called runtime.Goexit")
		tries := 0
		futures.Submit(ctx, pool, func(context.Context) (int, error) {
			if tries++; tries < 3 {
				return 0, errors.New("again")
			}
			return 1, nil
		}, futures.Retry(futures.RetryPolicy{Max: 5, Backoff: time.Second})).Result(ctx)
		expect("retries", "task queued w-1 a0", "task started w0 a1", "task retried w0 a1: again",
			"task started w0 a2", "task retried w0 a2: again", "task started w0 a3", "task done w0 a3 succeeded")

		var mine recorder
		stop := pool.Listen(mine.note)
		futures.Submit(ctx, pool, value(1)).Result(ctx)
		expect("while another listens")
		if n := len(mine.take()); n != 3 {
			t.Errorf("the other was told %d", n)
		}
		stop()
		stop()
		futures.Submit(ctx, pool, value(1)).Result(ctx)
		expect("again", "task queued w-1 a0", "task started w0 a1", "task done w0 a1 succeeded")
		if n := len(mine.take()); n != 0 {
			t.Errorf("the other was told %d after stop", n)
		}
		pool.Close()
		expect("Close", "executor closed w-1", "worker exited w0")
		pool.Close()
		expect("Close again")
	})
}

// TestEventsOfEach: each accepted task is told of once in each of its steps, also
// when many run.
func TestEventsOfEach(t *testing.T) {
	const tasks = 500
	var mu sync.Mutex
	kinds := make(map[inspect.EventKind]int)
	outcomes := make(map[string]int)
	workers := make(map[int]int)
	pool := gopool.New(gopool.Options{Workers: 4, Name: "many", Logger: quiet, Events: func(e inspect.Event) {
		mu.Lock()
		defer mu.Unlock()
		kinds[e.Kind]++
		if e.Executor != "many" || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		switch e.Kind {
		case inspect.TaskStarted:
			workers[e.Worker]++
		case inspect.TaskDone:
			workers[e.Worker]--
			outcomes[e.Outcome]++
		}
		if n := workers[e.Worker]; n < 0 || n > 1 {
			t.Errorf("worker %d has %d tasks after %+v", e.Worker, n, e)
		}
	}})
	for i := range tasks {
		futures.Submit(context.Background(), pool, func(context.Context) (int, error) {
			if i%2 == 0 {
				return 0, errors.New("even")
			}
			return i, nil
		})
	}
	pool.Close()
	if kinds[inspect.TaskQueued] != tasks || kinds[inspect.TaskStarted] != tasks || kinds[inspect.TaskDone] != tasks ||
		kinds[inspect.WorkerStart] != kinds[inspect.WorkerExit] || kinds[inspect.ExecutorDown] != 1 {
		t.Errorf("%v", kinds)
	}
	if outcomes["succeeded"] != tasks/2 || outcomes["failed"] != tasks/2 {
		t.Errorf("%v", outcomes)
	}
}

// TestInspectAtRest: figures are exact when nothing moves: here with tasks that
// run, that wait for a future, and that have waited and want their slot back.
func TestInspectAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 10})
		check := func(what string, running, waiting, queued, delayed int) {
			t.Helper()
			synctest.Wait()
			s := pool.Inspect()
			if s.Running != running || s.Waiting != waiting || s.Queued != queued || s.Delayed != delayed {
				t.Errorf("%s: %d running, %d waiting, %d queued, %d delayed; want %d, %d, %d, %d",
					what, s.Running, s.Waiting, s.Queued, s.Delayed, running, waiting, queued, delayed)
			}
			states := make(map[inspect.WorkerState]int)
			for _, w := range s.Workers {
				states[w.State]++
			}
			if states[inspect.Busy] != running || states[inspect.Waiting] != waiting {
				t.Errorf("%s: the workers are %v", what, states)
			}
		}
		check("new", 0, 0, 0, 0)
		p := futures.NewPromise[int]()
		waits := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) { return p.Future().Result(ctx) })
		check("one waits", 0, 1, 0, 0)
		task, started, open := gate()
		runs := futures.Submit(ctx, pool, task)
		<-started
		check("another runs", 1, 1, 0, 0)
		queued := futures.Submit(ctx, pool, value(1))
		check("a third is queued", 1, 1, 1, 0)
		p.Resolve(7, nil)
		check("the first wants its slot back", 1, 1, 1, 0)
		open()
		if _, err := futures.Gather(ctx, waits, runs, queued); err != nil {
			t.Error(err)
		}
		check("all done", 0, 0, 0, 0)
		retried := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 0, errors.New("again") },
			futures.Retry(futures.RetryPolicy{Max: 1, Backoff: time.Hour}))
		check("between attempts", 0, 0, 0, 1)
		retried.Cancel()
		check("cancelled", 0, 0, 0, 0)
		pool.Close()
		check("closed", 0, 0, 0, 0)
	})
}
