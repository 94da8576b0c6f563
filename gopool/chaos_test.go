package gopool_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
)

// TestChaos does everything at once that a pool can be asked for, at random, and
// checks what must hold whatever happens: see chaos.
func TestChaos(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		seed := rand.Uint64()
		c := &chaos{t: t, seed: seed, r: rand.New(rand.NewPCG(seed, 0))}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.run()
		}()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			var stacks strings.Builder
			pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Fatalf("seed %d does not end: %+v\n%s", seed, c.pool.Inspect(), &stacks)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

const chaosSlots = 4 // at most, whatever Resize says

// chaos is one pool and its users.
//
//   - G1: never more than the slots run.
//   - G2: an attempt runs once, and nothing runs after Cancel was true.
//   - Each future is resolved, each callback called once.
//   - At the end the pool's figures are those that the tasks counted themselves.
type chaos struct {
	t    *testing.T
	seed uint64
	r    *rand.Rand
	pool *gopool.Pool

	running             atomic.Int64
	submitted, resolved atomic.Int64
	calls               atomic.Int64 // of functions, attempts included
	started, done       atomic.Int64 // events

	mu  sync.Mutex
	all []*futures.Future[int]
}

func (c *chaos) run() {
	c.pool = gopool.New(gopool.Options{
		Workers:        1 + c.r.IntN(chaosSlots),
		Queue:          1 + c.r.IntN(20),
		RejectWhenFull: c.r.IntN(4) == 0,
		Logger:         quiet,
		Events:         c.listen,
	})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	for range 3 {
		user := rand.New(rand.NewPCG(c.seed, c.r.Uint64()))
		wg.Go(func() {
			for range 40 {
				f := c.submit(user, ctx, 0)
				switch user.IntN(8) {
				case 0:
					f.Result(ctx)
				case 1:
					c.cancelSome(user)
				case 2:
					if err := c.pool.Resize(1 + user.IntN(chaosSlots)); err != nil {
						c.t.Error(err)
					}
				case 3:
					if s := c.pool.Inspect(); s.Queued < 0 || s.Running < 0 || s.Waiting < 0 {
						c.t.Errorf("%+v", s)
					}
				}
			}
		})
	}
	if c.r.IntN(3) == 0 {
		wg.Go(func() { // while the others submit
			for range c.r.IntN(2000) {
				runtime.Gosched()
			}
			c.pool.Shutdown(endedContext())
		})
	}
	wg.Wait()
	if err := c.pool.Close(); err != nil {
		c.t.Error(err)
	}
	c.verify()
}

func (c *chaos) listen(e inspect.Event) {
	switch e.Kind {
	case inspect.TaskStarted:
		c.started.Add(1)
	case inspect.TaskDone, inspect.TaskRetried:
		c.done.Add(1)
	}
}

// cancelSome cancels some of the futures that there are.
func (c *chaos) cancelSome(r *rand.Rand) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for range min(3, len(c.all)) {
		c.all[r.IntN(len(c.all))].Cancel()
	}
}

// submit submits a task that does something, and may submit others.
func (c *chaos) submit(r *rand.Rand, ctx context.Context, depth int) *futures.Future[int] {
	kind, inner := r.IntN(14), r.Uint64()
	retries := 0
	var opts []futures.Option
	if r.IntN(3) == 0 {
		opts = append(opts, futures.Priority(r.IntN(5)-2))
	}
	if kind == 3 || r.IntN(10) == 0 {
		retries = r.IntN(3)
		opts = append(opts, futures.Retry(futures.RetryPolicy{Max: retries, Backoff: time.Duration(r.IntN(3)) * 20 * time.Microsecond}))
	}
	if kind == 4 || r.IntN(10) == 0 {
		opts = append(opts, futures.Timeout(time.Duration(1+r.IntN(300))*time.Microsecond))
	}
	var attempts atomic.Int64
	var cancelled atomic.Bool
	c.submitted.Add(1)
	f := futures.Submit(ctx, c.pool, func(ctx context.Context) (int, error) {
		c.calls.Add(1)
		if n := c.running.Add(1); n > chaosSlots {
			c.t.Errorf("G1: %d run", n)
		}
		defer c.running.Add(-1)
		if n := attempts.Add(1); n > int64(retries)+1 {
			c.t.Errorf("G2: attempt %d of %d", n, retries+1)
		}
		if cancelled.Load() {
			c.t.Error("G2: a task runs that was cancelled before")
		}
		return c.act(rand.New(rand.NewPCG(inner, 0)), ctx, kind, depth)
	}, opts...)
	for range 1 + r.IntN(2) {
		var calls atomic.Int64
		f.OnDone(func(f *futures.Future[int]) {
			if calls.Add(1) != 1 || !f.State().Done() {
				c.t.Errorf("a callback is called %d times, %v", calls.Load(), f)
			}
			if inner%5 == 0 {
				panic("in a callback")
			}
		})
	}
	f.OnDone(func(*futures.Future[int]) { c.resolved.Add(1) })
	if kind == 4 || r.IntN(10) == 0 { // one that waits to be stopped is stopped at last by its timeout
		if f.Cancel() {
			cancelled.Store(true)
		}
	}
	c.mu.Lock()
	c.all = append(c.all, f)
	c.mu.Unlock()
	return f
}

// act is what a task does.
func (c *chaos) act(r *rand.Rand, ctx context.Context, kind, depth int) (int, error) {
	switch kind {
	case 0:
		runtime.Goexit()
	case 1:
		panic("chaos")
	case 2, 3:
		return 0, errors.New("chaos")
	case 4:
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if kind < 7 || depth == 3 {
		runtime.Gosched()
		return 1, nil
	}
	c.running.Add(-1) // Submit, waits and maps may give the slot back
	defer c.running.Add(1)
	count := func(_ context.Context, n int) (int, error) {
		if n := c.running.Add(1); n > chaosSlots {
			c.t.Errorf("G1: %d run", n)
		}
		defer c.running.Add(-1)
		if n%7 == 6 {
			return 0, errors.New("six")
		}
		return n, nil
	}
	inputs := func(yield func(int) bool) {
		for i := range 20 {
			if !yield(i) {
				return
			}
		}
	}
	switch kind {
	case 7:
		for range futures.Map(ctx, c.pool, inputs, count) {
			if r.IntN(30) == 0 {
				break
			}
		}
		return 1, nil
	case 8:
		for range futures.Map(ctx, c.pool, inputs, count, futures.Unordered(), futures.Chunk(1+r.IntN(5)), futures.Window(1+r.IntN(9))) {
		}
		return 1, nil
	case 9:
		_, err := futures.MapSlice(ctx, c.pool, make([]int, r.IntN(8)), count)
		return 1, err
	}
	var fs []*futures.Future[int]
	for range 1 + r.IntN(3) {
		fs = append(fs, c.submit(r, ctx, depth+1))
	}
	var err error
	switch kind {
	case 10:
		_, _, err = futures.Wait(ctx, futures.Until(r.IntN(3)), fs...)
	case 11:
		for f := range futures.AsCompleted(ctx, fs...) {
			if _, err = f.Result(ctx); err != nil {
				break
			}
		}
	case 12:
		_, err = futures.Gather(ctx, fs...)
	case 13: // waits in several goroutines
		var wg sync.WaitGroup
		for _, f := range fs {
			wg.Go(func() { f.Result(ctx) })
		}
		wg.Wait()
	}
	if errors.As(err, new(*futures.CycleError)) {
		c.t.Errorf("F5: %v", err)
	}
	return 1, err
}

// verify looks at what is left.
func (c *chaos) verify() {
	if c.submitted.Load() != c.resolved.Load() {
		c.t.Errorf("%d submitted, %d resolved", c.submitted.Load(), c.resolved.Load())
	}
	for _, f := range c.all {
		if !f.State().Done() || (f.State() == futures.Succeeded) != (f.Err() == nil) {
			c.t.Errorf("%v: %v", f, f.Err())
		}
	}
	s := c.pool.Inspect()
	if s.Running+s.Waiting+s.Queued+s.Delayed+s.Blocked+len(s.Workers) != 0 || !s.Closed {
		c.t.Errorf("left after Close: %+v", s)
	}
	var ended, retried, own int64
	for name, f := range s.Functions {
		n := int64(f.Succeeded + f.Failed + f.Cancelled)
		ended += n
		retried += int64(f.Retried)
		if strings.Contains(name, "submit") {
			own += n + int64(f.Retried)
		}
	}
	if ended+retried != c.done.Load() || c.started.Load() != c.done.Load() || own != c.calls.Load() {
		c.t.Errorf("%d attempts ended and %d were retried by the figures, %d by the events, %d began; %d of %d calls",
			ended, retried, c.done.Load(), c.started.Load(), own, c.calls.Load())
	}
	if n := c.running.Load(); n != 0 {
		c.t.Errorf("%d still run", n)
	}
}
