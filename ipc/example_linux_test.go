package ipc_test

import (
	"context"
	"fmt"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// Greeting is a task's argument, and a queue is one of its fields.
type Greeting struct {
	From int
	To   *ipc.Queue[string]
}

var Greet = futures.Define("example.greet", func(ctx context.Context, g Greeting) (int, error) {
	return 0, g.To.Put(ctx, fmt.Sprintf("hello from task %d", g.From))
})

func Example() {
	if err := greetings(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// hello from task 0
	// hello from task 1
	// hello from task 2
	// hello from task 3
	// hello from task 4
}

func greetings(ctx context.Context) error {
	// In main, procpool.ServeIfWorker comes first; here TestMain has called it.
	procs, err := procpool.New(procpool.Options{Workers: 2})
	if err != nil {
		return err
	}
	defer procs.Close()
	q, err := ipc.NewQueue[string](ipc.QueueOptions{})
	if err != nil {
		return err
	}
	var tasks []*futures.Future[int]
	for i := range 5 {
		tasks = append(tasks, Greet.Submit(ctx, procs, Greeting{From: i, To: q}))
	}
	go func() {
		_, _ = futures.Gather(ctx, tasks...)
		_ = q.Close()
	}()
	for greeting, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Println(greeting)
	}
	return nil
}

func ExampleMutex_With() {
	ctx := context.Background()
	m, err := ipc.NewMutex()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	err = m.With(ctx, func(ownerDied bool) error {
		if ownerDied {
			// What the lock guards may be half changed: look after it.
			fmt.Println("somebody died here")
		}
		return nil // it is in order
	})
	fmt.Println(err, m)
	// Output:
	// <nil> Mutex(free)
}
