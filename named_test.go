package futures_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

var named = futures.Define("futures_test.named", func(ctx context.Context, n int) (int, error) {
	switch {
	case n < 0:
		return 0, errNegative
	case n == 0:
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return n + 1, nil
})

var errNegative = errors.New("negative")

func fill(n int) func(any) error {
	return func(in any) error { *in.(*int) = n; return nil }
}

// TestSubmitByName: who has only bytes is told of every outcome once.
func TestSubmitByName(t *testing.T) {
	ctx := context.Background()
	d, err := futures.Lookup(named.Name())
	if err != nil {
		t.Fatal(err)
	}
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	undecodable := errors.New("undecodable")
	ended, cancel := context.WithCancel(ctx)
	cancel()
	closed := gopool.New(gopool.Options{})
	closed.Close()
	for _, c := range []struct {
		name  string
		ctx   context.Context
		ex    futures.Executor
		fill  func(any) error
		opts  []futures.Option
		state futures.State
		err   error
	}{
		{"value", ctx, pool, fill(41), nil, futures.Succeeded, nil},
		{"value, with options", ctx, pool, fill(41), []futures.Option{futures.Label("k", "v"), futures.Delay(time.Millisecond)}, futures.Succeeded, nil},
		{"error", ctx, pool, fill(-1), nil, futures.Failed, errNegative},
		{"timeout", ctx, pool, fill(0), []futures.Option{futures.Timeout(time.Millisecond)}, futures.Failed, futures.ErrTimeout},
		{"not filled", ctx, pool, func(any) error { return undecodable }, nil, futures.Failed, undecodable},
		{"refused", ctx, closed, fill(1), nil, futures.Failed, futures.ErrClosed},
		{"context ended", ended, pool, fill(1), nil, futures.Cancelled, futures.ErrCancelled},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := make(chan *futures.Task, 2)
			task := d.Submit(c.ctx, c.ex, c.fill, func(t *futures.Task) { told <- t }, c.opts...)
			if got := <-told; got != task || got.State() != c.state || !errors.Is(got.Err(), c.err) {
				t.Errorf("told of %v with %v", got, got.Err())
			}
			if c.state == futures.Succeeded && *task.Output().(*int) != 42 {
				t.Errorf("value %v", *task.Output().(*int))
			}
			if !task.Observed() || task.Name() != named.Name() || task.Definition() != d {
				t.Errorf("%v is not observed, or of no definition", task)
			}
			if len(told) > 0 {
				t.Error("told twice")
			}
		})
	}
}

// TestSubmitByNameTellsFirst: done comes before the callbacks of OnDone, which are called
// also if it panics, and Cancel is told too.
func TestSubmitByNameTellsFirst(t *testing.T) {
	d, _ := futures.Lookup(named.Name())
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	captureLog(t)
	order := make(chan string, 2)
	task := d.Submit(context.Background(), pool, fill(0), func(t *futures.Task) { order <- t.State().String(); panic("mine") })
	task.Handle().(*futures.Future[int]).OnDone(func(*futures.Future[int]) { order <- "callback" })
	task.Cancel()
	if a, b := <-order, <-order; a != "cancelled" || b != "callback" {
		t.Errorf("%s, then %s", a, b)
	}
}

// TestSubmitByNameAllocates: at most one allocation more than Func.Submit.
func TestSubmitByNameAllocates(t *testing.T) {
	ctx := context.Background()
	d, _ := futures.Lookup(named.Name())
	in, done := fill(1), func(*futures.Task) {}
	typed := testing.AllocsPerRun(1000, func() { named.Submit(ctx, caller{}, 1) })
	byName := testing.AllocsPerRun(1000, func() { d.Submit(ctx, caller{}, in, done) })
	if byName > typed+1 {
		t.Errorf("%v allocations by name, %v with types", byName, typed)
	}
}

// caller is an executor that runs a task before Execute returns.
type caller struct{}

func (caller) Execute(_ context.Context, t *futures.Task) error { t.Run(0); return nil }
func (caller) RunsLocally()                                     {}
func (caller) Close() error                                     { return nil }
func (caller) Shutdown(context.Context) error                   { return nil }
