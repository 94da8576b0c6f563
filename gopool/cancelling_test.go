package gopool_test

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// TestOrderWhileCancelling: G2 and G4 with a long queue, most of which is cancelled
// while workers take from it and others submit: what is not cancelled runs once,
// in the order in which its submitter submitted it, and what is never runs.
func TestOrderWhileCancelling(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		seed := rand.Uint64()
		orderWhileCancelling(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func orderWhileCancelling(t *testing.T, seed uint64) {
	const submitters, each, priorities = 3, 3000, 3
	r := rand.New(rand.NewPCG(seed, 0))
	workers := 1 + r.IntN(3)
	pool := gopool.New(gopool.Options{Workers: workers, Queue: 1 + r.IntN(submitters*each)})
	type call struct {
		f         *futures.Future[int]
		cancelled atomic.Bool
		runs      atomic.Int32
	}
	calls := make([]call, submitters*each)
	var submitted [submitters]atomic.Int64
	var last [submitters][priorities]int // by the one worker
	var all sync.WaitGroup
	stop := make(chan struct{})
	for s := range submitters {
		r := rand.New(rand.NewPCG(seed, uint64(1+s)))
		all.Go(func() {
			for i := range each {
				c := &calls[s*each+i]
				priority := r.IntN(priorities)
				if r.IntN(3) > 0 {
					priority = 1 // which is the default, 0, here
				}
				c.f = futures.Submit(context.Background(), pool, func(context.Context) (int, error) {
					if c.runs.Add(1); c.cancelled.Load() {
						t.Error("G2: a task runs that was cancelled before")
					}
					if workers == 1 {
						if i+1 <= last[s][priority] {
							t.Errorf("G4: %d of submitter %d runs after %d", i, s, last[s][priority]-1)
						}
						last[s][priority] = i + 1
					}
					return i, nil
				}, futures.Priority(priority-1))
				submitted[s].Store(int64(i + 1))
				if r.IntN(10) > 0 { // most at once, some later by the others
					c.cancelled.Store(c.f.Cancel())
				}
			}
		})
	}
	var cancellers sync.WaitGroup
	for s := range submitters {
		r := rand.New(rand.NewPCG(seed, uint64(100+s)))
		cancellers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n := int(submitted[s].Load()); n > 0 {
					if c := &calls[s*each+r.IntN(n)]; r.IntN(4) == 0 {
						if c.f.Cancel() {
							c.cancelled.Store(true)
						}
					}
				}
				pool.Inspect()
			}
		})
	}
	all.Wait()
	close(stop)
	cancellers.Wait()
	if !within(t, "Close", func() { pool.Close() }) {
		t.Fatalf("%+v", pool.Inspect())
	}
	for i := range calls {
		c := &calls[i]
		state, runs := c.f.State(), c.runs.Load()
		if state == futures.Succeeded && runs != 1 || state == futures.Cancelled && runs != 0 || !state.Done() {
			t.Errorf("call %d ran %d times and has %v", i, runs, state)
		}
	}
	if s := pool.Inspect(); s.Queued != 0 {
		t.Errorf("%d queued in a closed pool", s.Queued)
	}
}

// TestOrderWhileCompacting: G4, across priorities. Everything is queued before the
// worker begins, and then most of it is cancelled: what runs is in order.
func TestOrderWhileCompacting(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		seed := rand.Uint64()
		r := rand.New(rand.NewPCG(seed, 0))
		const tasks = 4000
		pool := gopool.New(gopool.Options{Workers: 1, Queue: tasks})
		task, started, open := gate()
		futures.Submit(context.Background(), pool, task)
		<-started
		type arrival struct{ priority, number int }
		var order []arrival
		var fs []*futures.Future[int]
		for i := range tasks {
			a := arrival{max(-1, r.IntN(6)-4), i} // most of them -1 and 0
			fs = append(fs, futures.Submit(context.Background(), pool, func(context.Context) (int, error) {
				order = append(order, a)
				return 0, nil
			}, futures.Priority(a.priority)))
		}
		open()
		var cancellers sync.WaitGroup
		for c := range 2 {
			r := rand.New(rand.NewPCG(seed, uint64(1+c)))
			cancellers.Go(func() {
				for _, i := range r.Perm(tasks) {
					if i%10 > 0 {
						fs[i].Cancel()
					}
				}
			})
		}
		cancellers.Wait()
		pool.Close()
		if !slices.IsSortedFunc(order, func(a, b arrival) int {
			return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.number, b.number))
		}) {
			for i := 1; i < len(order); i++ {
				if a, b := order[i-1], order[i]; b.priority > a.priority || b.priority == a.priority && b.number < a.number {
					t.Errorf("G4: number %d of priority %d ran after number %d of priority %d", b.number, b.priority, a.number, a.priority)
				}
			}
			t.Fatalf("seed %d", seed)
		}
	}
}
