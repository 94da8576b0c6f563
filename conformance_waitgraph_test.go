package futures_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// waitingTasks submits n tasks with numbers, each of which calls wait once all
// futures exist, and closes the pool. It returns what wait returned, nil if the
// tasks do not end.
func waitingTasks(t *testing.T, workers, n int, wait func(ctx context.Context, i int, fs []*futures.Future[int]) error) []error {
	pool := gopool.New(gopool.Options{Workers: workers})
	fs := make([]*futures.Future[int], n)
	errs := make([]error, n)
	ready := make(chan struct{})
	for i := range fs {
		fs[i] = futures.Submit(context.Background(), pool, func(ctx context.Context) (int, error) {
			<-ready
			errs[i] = wait(ctx, i, fs)
			return i, nil
		}, futures.Label("n", fmt.Sprint(i)))
	}
	close(ready)
	if !within(t, "Close", func() { pool.Close() }) {
		// The tasks are let go, so that they are not found as leaks too.
		for _, f := range fs {
			t.Log(f)
			f.Cancel()
		}
		pool.Close()
		return nil
	}
	return errs
}

func isCycle(err error) bool { return errors.As(err, new(*futures.CycleError)) }

// cyclesNamed checks that some of the errors are wait cycles, and that together
// they name all tasks.
func cyclesNamed(t *testing.T, errs []error) {
	t.Helper()
	var text string
	for _, err := range errs {
		if isCycle(err) {
			text += err.Error() + "\n"
			if !errors.As(err, new(*futures.WaitError)) {
				t.Errorf("%T is no *WaitError", err)
			}
		} else if err != nil {
			t.Error(err)
		}
	}
	for i := range errs {
		if name := fmt.Sprintf("n=%d", i); !strings.Contains(text, name) {
			t.Errorf("no cycle names %s:\n%s", name, text)
		}
	}
}

// others returns all futures but number i.
func others(i int, fs []*futures.Future[int]) []*futures.Future[int] {
	return slices.Delete(slices.Clone(fs), i, i+1)
}

// TestWaitKnots: F5. Tasks of which each waits for any of several, all of them in
// the knot, can never go on either.
func TestWaitKnots(t *testing.T) {
	for _, n := range []int{2, 3, 4} {
		t.Run(fmt.Sprintf("%d that each wait for any of the others", n), func(t *testing.T) {
			cyclesNamed(t, waitingTasks(t, 1, n, func(ctx context.Context, i int, fs []*futures.Future[int]) error {
				_, _, err := futures.Wait(ctx, futures.FirstCompleted, others(i, fs)...)
				return err
			}))
		})
	}
	waits := map[string]func(ctx context.Context, fs []*futures.Future[int]) error{
		"Gather": func(ctx context.Context, fs []*futures.Future[int]) error {
			_, err := futures.Gather(ctx, fs...)
			return err
		},
		"AsCompleted": func(ctx context.Context, fs []*futures.Future[int]) error {
			for f := range futures.AsCompleted(ctx, fs...) {
				if _, err := f.Result(ctx); err != nil {
					return err
				}
			}
			return nil
		},
		"Wait for the first": func(ctx context.Context, fs []*futures.Future[int]) error {
			_, _, err := futures.Wait(ctx, futures.FirstCompleted, fs...)
			return err
		},
		"Wait for all": func(ctx context.Context, fs []*futures.Future[int]) error {
			_, _, err := futures.Wait(ctx, futures.AllCompleted, fs...)
			return err
		},
	}
	for name, wait := range waits {
		t.Run("a parent in "+name+" for children that wait for it", func(t *testing.T) {
			for range 20 {
				errs := waitingTasks(t, 1, 3, func(ctx context.Context, i int, fs []*futures.Future[int]) error {
					if i == 0 {
						return wait(ctx, fs[1:])
					}
					_, err := fs[0].Result(ctx)
					return err
				})
				if errs == nil {
					return
				}
				if !slices.ContainsFunc(errs, isCycle) {
					t.Fatalf("no task was told of the cycle: %v", errs)
				}
			}
		})
	}
	t.Run("a way out is no cycle", func(t *testing.T) {
		for range 50 {
			errs := waitingTasks(t, 2, 3, func(ctx context.Context, i int, fs []*futures.Future[int]) (err error) {
				switch i {
				case 0: // of the two, the last comes
					_, _, err = futures.Wait(ctx, futures.FirstCompleted, fs[1], fs[2])
				case 1:
					_, err = fs[0].Result(ctx)
				}
				return err
			})
			if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
				t.Fatalf("got %v", errs)
			}
		}
	})
	t.Run("oneself among others", func(t *testing.T) {
		errs := waitingTasks(t, 1, 2, func(ctx context.Context, i int, fs []*futures.Future[int]) error {
			if i == 1 {
				return nil
			}
			_, _, first := futures.Wait(ctx, futures.FirstCompleted, fs...)
			_, _, all := futures.Wait(ctx, futures.AllCompleted, fs...)
			if first != nil {
				t.Errorf("for any: %v", first)
			}
			return all
		})
		if len(errs) == 2 && !isCycle(errs[0]) {
			t.Errorf("for all: %v", errs[0])
		}
	})
}

// TestRandomWaits: F5. Whatever waits for whatever, all tasks end; those that
// could end are never told of a cycle.
func TestRandomWaits(t *testing.T) {
	rounds := 1000
	if testing.Short() {
		rounds = 100
	}
	for range rounds {
		seed := rand.Uint64()
		if !randomWaits(t, seed) {
			t.Fatalf("seed %d", seed)
		}
	}
}

func randomWaits(t *testing.T, seed uint64) bool {
	r := rand.New(rand.NewPCG(seed, 0))
	n := 2 + r.IntN(6)
	on := make([][]int, n)    // whom a task waits for
	first := make([]bool, n)  // if any of them will do
	through := make([]int, n) // by which function
	for i := range n {
		for j := range n {
			if r.IntN(3) == 0 {
				on[i] = append(on[i], j)
			}
		}
		through[i] = r.IntN(5)
		first[i] = through[i] == 4
	}
	errs := waitingTasks(t, 1+r.IntN(3), n, func(ctx context.Context, i int, fs []*futures.Future[int]) (err error) {
		var set []*futures.Future[int]
		for _, j := range on[i] {
			set = append(set, fs[j])
		}
		switch through[i] {
		case 0:
			for _, f := range set {
				_, one := f.Result(ctx)
				err = errors.Join(err, one)
			}
		case 1:
			_, _, err = futures.Wait(ctx, futures.AllCompleted, set...)
		case 2:
			for f := range futures.AsCompleted(ctx, set...) {
				_, one := f.Result(ctx)
				err = errors.Join(err, one)
			}
		case 3:
			_, _, err = futures.Wait(ctx, futures.FirstError, set...) // none fails
		case 4:
			_, _, err = futures.Wait(ctx, futures.FirstCompleted, set...)
		}
		return err
	})
	if errs == nil {
		return false
	}
	stuck := stuckTasks(on, first)
	for i, err := range errs {
		if err != nil && (!isCycle(err) || !stuck[i]) {
			t.Errorf("task %d of %v (any: %v): %v", i, on, first, err)
		}
	}
	if slices.Contains(stuck, true) && !slices.ContainsFunc(errs, isCycle) {
		t.Errorf("nobody was told of the cycle in %v (any: %v)", on, first)
	}
	return !t.Failed()
}

// stuckTasks returns which tasks could never end if nobody told them: it takes
// away those that can until none is left that can.
func stuckTasks(on [][]int, first []bool) []bool {
	stuck := slices.Repeat([]bool{true}, len(on))
	for changed := true; changed; {
		changed = false
		for i := range on {
			free := 0
			for _, j := range on[i] {
				if !stuck[j] {
					free++
				}
			}
			if stuck[i] && (free == len(on[i]) || first[i] && free > 0) {
				stuck[i], changed = false, true
			}
		}
	}
	return stuck
}

// TestLongChain: a thousand tasks, each of which waits for the one before it.
func TestLongChain(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: n})
	defer pool.Close()
	first := futures.NewPromise[int]()
	last := first.Future()
	for range n {
		before := last
		last = futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
			v, err := before.Result(ctx)
			return v + 1, err
		})
	}
	for pool.Inspect().Waiting < n {
		runtime.Gosched()
	}
	first.Resolve(0, nil)
	if v, err := last.Result(ctx); v != n || err != nil {
		t.Errorf("got %v, %v", v, err)
	}
}
