package futures_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/futures-go/futures"
)

// unbounded is an executor of the simplest kind: each task has a goroutine.
type unbounded struct {
	mu     sync.Mutex // guards closed, so that no task comes after Close has begun to wait
	closed bool
	tasks  sync.WaitGroup
}

func (u *unbounded) RunsLocally() {}

func (u *unbounded) Execute(_ context.Context, t *futures.Task) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return futures.ErrClosed
	}
	u.tasks.Go(func() { t.Run(0) })
	return nil
}

func (u *unbounded) Close() error {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.tasks.Wait()
	return nil
}

func (u *unbounded) Shutdown(context.Context) error { return u.Close() }

func ExampleExecutor() {
	ctx := context.Background()
	ex := new(unbounded)
	fmt.Println(futures.Submit(ctx, ex, func(context.Context) (int, error) { return 11, nil }).Result(ctx))
	ex.Close()
	fmt.Println(futures.Submit(ctx, ex, func(context.Context) (int, error) { return 12, nil }).Result(ctx))
	// Output:
	// 11 <nil>
	// 0 futures: executor is closed
}
