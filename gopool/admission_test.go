package gopool_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// full runs a test in a bubble with a pool whose one worker is busy until open is
// called, and whose queue is full.
func full(t *testing.T, opts gopool.Options, test func(t *testing.T, pool *gopool.Pool, queued []*futures.Future[int], open func())) {
	synctest.Test(t, func(t *testing.T) {
		opts.Workers = 1
		pool := gopool.New(opts)
		task, started, open := gate()
		futures.Submit(t.Context(), pool, task)
		<-started
		var queued []*futures.Future[int]
		for i := range opts.Queue {
			queued = append(queued, futures.Submit(t.Context(), pool, value(i)))
		}
		test(t, pool, queued, open)
		open()
		pool.Close()
		if s := pool.Inspect(); s.Blocked+s.Queued+s.Running != 0 {
			t.Errorf("left %+v", s)
		}
	})
}

func TestFullQueue(t *testing.T) {
	t.Run("the context of Submit ends", func(t *testing.T) {
		full(t, gopool.Options{Queue: 2}, func(t *testing.T, pool *gopool.Pool, _ []*futures.Future[int], _ func()) {
			mine := errors.New("mine")
			ctx, cancel := context.WithCancelCause(t.Context())
			result := make(chan *futures.Future[int], 1)
			ran := false
			go func() {
				result <- futures.Submit(ctx, pool, func(context.Context) (int, error) { ran = true; return 0, nil })
			}()
			synctest.Wait()
			if s := pool.Inspect(); s.Blocked != 1 || s.Queued != 2 {
				t.Errorf("blocked: %+v", s)
			}
			cancel(mine)
			f := <-result
			if f.State() != futures.Cancelled || !errors.Is(f.Err(), mine) || !errors.Is(f.Err(), futures.ErrCancelled) || ran {
				t.Errorf("%v: %v, ran: %v", f, f.Err(), ran)
			}
			if s := pool.Inspect(); s.Blocked != 0 || s.Queued != 2 {
				t.Errorf("afterwards: %+v", s)
			}
		})
	})
	t.Run("rejects", func(t *testing.T) {
		full(t, gopool.Options{Queue: 2, RejectWhenFull: true}, func(t *testing.T, pool *gopool.Pool, queued []*futures.Future[int], _ func()) {
			for range 3 {
				f := futures.Submit(t.Context(), pool, value(1))
				if f.State() != futures.Failed || !errors.Is(f.Err(), futures.ErrQueueFull) {
					t.Errorf("%v: %v", f, f.Err())
				}
			}
			queued[0].Cancel()
			if f := futures.Submit(t.Context(), pool, value(1)); f.State() != futures.Pending {
				t.Errorf("in the place of a cancelled one: %v, %v", f, f.Err())
			}
			if err := futures.Submit(t.Context(), pool, value(1)).Err(); !errors.Is(err, futures.ErrQueueFull) {
				t.Errorf("one more: %v", err)
			}
		})
	})
	t.Run("in the order of arrival", func(t *testing.T) {
		full(t, gopool.Options{Queue: 3}, func(t *testing.T, pool *gopool.Pool, _ []*futures.Future[int], open func()) {
			var order []int
			for i := range 9 {
				go futures.Submit(t.Context(), pool, func(context.Context) (int, error) { order = append(order, i); return i, nil })
				synctest.Wait()
			}
			open()
			synctest.Wait()
			if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}) {
				t.Errorf("ran %v", order)
			}
		})
	})
	t.Run("cancelled tasks make room for those who wait", func(t *testing.T) {
		full(t, gopool.Options{Queue: 4}, func(t *testing.T, pool *gopool.Pool, queued []*futures.Future[int], _ func()) {
			admitted := make(chan *futures.Future[int], 4)
			for range 4 {
				go func() { admitted <- futures.Submit(t.Context(), pool, value(1)) }()
			}
			synctest.Wait()
			for _, f := range queued {
				if !f.Cancel() {
					t.Errorf("%v is not cancelled", f)
				}
			}
			synctest.Wait()
			if len(admitted) != 4 || pool.Inspect().Queued != 4 {
				t.Errorf("%d admitted, %d queued", len(admitted), pool.Inspect().Queued)
			}
		})
	})
	t.Run("a larger pool makes room", func(t *testing.T) {
		full(t, gopool.Options{Queue: 2}, func(t *testing.T, pool *gopool.Pool, queued []*futures.Future[int], _ func()) {
			admitted := make(chan *futures.Future[int], 1)
			go func() { admitted <- futures.Submit(t.Context(), pool, value(1)) }()
			synctest.Wait()
			if err := pool.Resize(2); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			for _, f := range append(queued, <-admitted) {
				if f.State() != futures.Succeeded {
					t.Errorf("%v", f)
				}
			}
		})
	})
	t.Run("closed while they wait", func(t *testing.T) {
		full(t, gopool.Options{Queue: 1}, func(t *testing.T, pool *gopool.Pool, queued []*futures.Future[int], _ func()) {
			refused := make(chan *futures.Future[int], 3)
			for range 3 {
				go func() { refused <- futures.Submit(t.Context(), pool, value(1)) }()
			}
			synctest.Wait()
			go pool.Close()
			for range 3 {
				if f := <-refused; f.State() != futures.Failed || !errors.Is(f.Err(), futures.ErrClosed) {
					t.Errorf("%v: %v", f, f.Err())
				}
			}
			if queued[0].State() != futures.Pending {
				t.Errorf("what was accepted is %v", queued[0])
			}
		})
	})
}

// TestSubmitInsideTasks: with one worker and one place in the queue, a task that
// submits many others, and those others again, never wait for themselves.
func TestSubmitInsideTasks(t *testing.T) {
	for _, reject := range []bool{false, true} {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 1, RejectWhenFull: reject})
		var tree func(depth int) func(context.Context) (int, error)
		tree = func(depth int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if depth == 0 {
					return 1, nil
				}
				sum := 0
				var fs []*futures.Future[int]
				for range 4 {
					fs = append(fs, futures.Submit(ctx, pool, tree(depth-1)))
				}
				for _, f := range fs {
					v, err := f.Result(ctx)
					if err != nil && !errors.Is(err, futures.ErrQueueFull) {
						return 0, err
					}
					sum += v
				}
				return sum, nil
			}
		}
		within(t, "the tree", func() {
			v, err := futures.Submit(context.Background(), pool, tree(4)).Result(context.Background())
			if err != nil || !reject && v != 256 {
				t.Errorf("got %v, %v", v, err)
			}
		})
		within(t, "Close", func() { pool.Close() })
	}
}

// TestWorkersThatStandIn: what was started for waiting tasks goes when they do not
// wait any more.
func TestWorkersThatStandIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		pool := gopool.New(gopool.Options{Workers: 2})
		var nested func(n int) func(context.Context) (int, error)
		nested = func(n int) func(context.Context) (int, error) {
			return func(ctx context.Context) (int, error) {
				if n == 0 {
					if s := pool.Inspect(); s.Waiting != 100 || s.Running != 2 || len(s.Workers) != 102 {
						t.Errorf("%d wait, %d run, %d workers", s.Waiting, s.Running, len(s.Workers))
					}
					return 0, nil
				}
				return futures.Submit(ctx, pool, nested(n-1)).Result(ctx)
			}
		}
		task, started, open := gate()
		other := futures.Submit(ctx, pool, task)
		<-started
		if _, err := futures.Submit(ctx, pool, nested(100)).Result(ctx); err != nil {
			t.Error(err)
		}
		open()
		other.Result(ctx)
		synctest.Wait()
		if s := pool.Inspect(); len(s.Workers) > 2 || s.Waiting+s.Running != 0 {
			t.Errorf("at rest: %+v", s)
		}
		pool.Close()
	})
}
