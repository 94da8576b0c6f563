package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// TestStorm: a great many tasks, short ones of a chunk and longer ones, while one worker after
// the other is killed and started again.
//
// Every future resolves, with the right value, as cancelled, or as lost where it may be; no task
// ran more often than workers were lost that may have had it; what failed is among the dead
// letters; and in the end nothing is stored (CL1, CL2, CL3, CL6).
//
// FUTURES_STORM is how many tasks there are: CI has 100000.
func TestStorm(t *testing.T) {
	tasks := 5000
	if n, err := strconv.Atoi(os.Getenv("FUTURES_STORM")); err == nil {
		tasks = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	s := served(t, ServerOptions{})
	o := on(s)
	o.Queue = 2048
	p := client(t, o)
	file := newNotes(t)
	killed, one := killing(t, part{URL: s.URL(), Workers: 4, Lease: shortLease}, rand.New(rand.NewPCG(seed, 1)))

	began := time.Now()
	results := make([]stormResult, tasks)
	var submitters sync.WaitGroup
	const goroutines = 8
	for g := range goroutines {
		submitters.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(2+g)))
			var window []*futures.Future[int]
			var numbers []int
			for n := g; n < tasks; n += goroutines {
				if n >= tasks/2 {
					select { // as fast as the machine may be
					case <-one:
					case <-ctx.Done():
					}
				}
				r, in, options := &results[n], noting{file, n, 0}, []futures.Option(nil)
				if random.IntN(100) == 0 {
					in.Work = time.Duration(random.IntN(10)) * time.Millisecond
				}
				switch r.losses = 1; random.IntN(20) {
				case 0:
					r.losses = 0
					options = append(options, futures.Retry(futures.RetryPolicy{}))
				case 1, 2:
					r.losses = 5
					options = append(options, futures.Retry(futures.RetryPolicy{Max: 5}))
				}
				f := note.Submit(ctx, p, in, options...)
				if random.IntN(50) == 0 {
					r.cancelled = f.Cancel()
				}
				window, numbers = append(window, f), append(numbers, n)
				if len(window) == 256 || n+goroutines >= tasks {
					for i, f := range window {
						r := &results[numbers[i]]
						r.value, r.err = f.Result(ctx)
					}
					window, numbers = window[:0], numbers[:0]
				}
			}
		})
	}
	submitters.Wait()
	took := time.Since(began)
	kills := killed()
	all := readNotes(t, file, tasks)
	second, crashed := 0, 0
	for n, r := range results {
		second += max(0, all[n].begun-1)
		if r.check(t, n, all[n]) {
			crashed++
		}
	}
	// The letters of those that were done, and whose worker was lost before it could say so.
	letters := len(lettersOf(t, p))
	t.Logf("%d tasks in %.1f s, %d workers killed: %d second runs, %d tasks lost, %d dead letters", tasks, took.Seconds(), kills, second, crashed, letters)
	if letters < crashed {
		t.Errorf("%d tasks were lost, and there are %d dead letters", crashed, letters)
	}
	if kills == 0 {
		t.Error("no worker was killed")
	}
	names := p.conn.Names
	eventually(t, "nothing to be stored but the sentinel", func() bool { return stored(t, p, names.Tasks()) == 1 })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// stormResult is a task, and what became of it.
type stormResult struct {
	value, losses int
	err           error
	cancelled     bool
}

// check reports what is wrong with the result of task n, and whether it was lost.
func (r *stormResult) check(t *testing.T, n int, runs runsOf) (crashed bool) {
	_, crashed = errors.AsType[*futures.CrashError](r.err)
	switch {
	case runs.begun > 1+r.losses || runs.ended > runs.begun:
		t.Errorf("task %d, which may lose %d workers, has begun %d times and ended %d times", n, r.losses, runs.begun, runs.ended)
	case r.cancelled && (runs.begun > 0 || !errors.Is(r.err, futures.ErrCancelled)):
		t.Errorf("task %d was cancelled before it began, and ran %d times: %v", n, runs.begun, r.err)
	case r.err == nil && (r.value != noted(n) || runs.ended == 0):
		t.Errorf("task %d: value %d, ran to its end %d times", n, r.value, runs.ended)
	case r.err != nil && !crashed && !errors.Is(r.err, futures.ErrCancelled):
		t.Errorf("task %d: %v", n, r.err)
	}
	return crashed
}

// killing keeps two workers more than there are processors, and kills one of them, each time
// another one, until killed is called, which returns how many it was and leaves the rest at
// work. One is closed when it has killed the first.
func killing(t *testing.T, worker part, random *rand.Rand) (killed func() int, one <-chan struct{}) {
	var workers []*process
	for range runtime.GOMAXPROCS(0) + 2 {
		workers = append(workers, play(t, "faults.worker", worker))
	}
	quit, first, kills := make(chan struct{}), make(chan struct{}), 0
	var gone sync.WaitGroup
	gone.Go(func() {
		for {
			select {
			case <-quit:
				return
			case <-time.After(time.Duration(10+random.IntN(100)) * time.Millisecond):
			}
			i := random.IntN(len(workers))
			workers[i].kill()
			if kills++; kills == 1 {
				close(first)
			}
			workers[i] = play(t, "faults.worker", worker)
		}
	})
	stop := sync.OnceFunc(func() {
		close(quit)
		gone.Wait()
	})
	t.Cleanup(stop)
	return func() int { stop(); return kills }, first
}
