package futures_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

func ExampleSubmit() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	f := futures.Submit(ctx, pool, func(context.Context) (string, error) {
		return strings.ToUpper("hello"), nil
	})
	text, err := f.Result(ctx)
	fmt.Println(text, err)
	// Output: HELLO <nil>
}

func ExampleFuture_Result() {
	p := futures.NewPromise[int]()
	within, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := p.Future().Result(within)
	var wait *futures.WaitError
	fmt.Println("stopped waiting:", errors.As(err, &wait))
	p.Resolve(42, nil)
	fmt.Println(p.Future().Result(context.Background()))
	// Output:
	// stopped waiting: true
	// 42 <nil>
}

func ExampleFuture_TryResult() {
	p := futures.NewPromise[string]()
	_, _, done := p.Future().TryResult()
	fmt.Println(done)
	p.Resolve("here", nil)
	fmt.Println(p.Future().TryResult())
	// Output:
	// false
	// here <nil> true
}

func ExampleFuture_Done() {
	p := futures.NewPromise[int]()
	go p.Resolve(7, nil)
	select {
	case <-p.Future().Done():
		fmt.Println("done")
	case <-time.After(time.Minute):
		fmt.Println("gave up")
	}
	// Output: done
}

func ExampleFuture_OnDone() {
	p := futures.NewPromise[int]()
	p.Future().OnDone(func(f *futures.Future[int]) {
		v, _ := f.Result(context.Background()) // does not wait
		fmt.Println("callback:", v)
	})
	p.Resolve(3, nil)
	// Output: callback: 3
}

func ExampleFuture_Cancel() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	started := make(chan struct{})
	running := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		close(started)
		<-ctx.Done()
		return 0, context.Cause(ctx)
	})
	queued := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil })
	<-started
	fmt.Println(queued.Cancel(), queued.State())
	fmt.Println(running.Cancel())
	_, err := running.Result(ctx)
	fmt.Println(err, running.State())
	// Output:
	// true cancelled
	// false
	// futures: cancelled cancelled
}

func ExampleFuture_Err() {
	p := futures.NewPromise[int]()
	fmt.Println(p.Future().Err())
	p.Resolve(0, errors.New("out of tea"))
	fmt.Println(p.Future().Err(), p.Future().State(), p.Future())
	// Output:
	// <nil>
	// out of tea failed future [failed: *errors.errorString]
}

func ExamplePromise() {
	p := futures.NewPromise[string]()
	if p.Start() { // false if somebody has cancelled the future
		p.Resolve("by hand", nil)
	}
	fmt.Println(p.Resolve("again", nil))
	fmt.Println(p.Future().Result(context.Background()))
	// Output:
	// futures.Promise.Resolve: futures: invalid state: future is succeeded
	// by hand <nil>
}

func ExamplePromise_Context() {
	p := futures.NewPromise[int]()
	p.Start()
	p.Future().Cancel()
	<-p.Context().Done() // whoever works for the promise stops
	fmt.Println(context.Cause(p.Context()))
	// Output: futures: cancelled
}

var area = futures.Define("example.area", func(_ context.Context, sides [2]int) (int, error) {
	return sides[0] * sides[1], nil
})

func ExampleDefine() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	fmt.Println(area.Submit(ctx, pool, [2]int{3, 4}).Result(ctx))
	fmt.Println(area.Call(ctx, [2]int{5, 6})) // here and now
	// Output:
	// 12 <nil>
	// 30 <nil>
}

func ExampleFunc_Map() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	for a, err := range area.Map(ctx, pool, slices.Values([][2]int{{1, 2}, {3, 4}, {5, 6}})) {
		fmt.Println(a, err)
	}
	// Output:
	// 2 <nil>
	// 12 <nil>
	// 30 <nil>
}

func ExampleMap() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	naturals := func(yield func(int) bool) {
		for n := 0; yield(n); n++ {
		}
	}
	for square, err := range futures.Map(ctx, pool, naturals, func(_ context.Context, n int) (int, error) {
		if n == 2 {
			return 0, errors.New("not two")
		}
		return n * n, nil
	}) {
		fmt.Println(square, err)
		if square > 10 {
			break // cancels the rest and waits for what runs
		}
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 0 not two
	// 9 <nil>
	// 16 <nil>
}

func ExampleMap_options() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 2})
	defer pool.Close()
	total := 0
	for n, err := range futures.Map(ctx, pool, slices.Values([]int{1, 2, 3, 4}), func(_ context.Context, n int) (int, error) {
		return n, nil
	}, futures.Unordered(), futures.Window(4), futures.Chunk(2), futures.Priority(1)) {
		if err == nil {
			total += n
		}
	}
	fmt.Println(total)
	// Output: 10
}

func ExampleMapSlice() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	lengths, err := futures.MapSlice(ctx, pool, []string{"one", "three"}, func(_ context.Context, s string) (int, error) {
		return len(s), nil
	})
	fmt.Println(lengths, err)
	// Output: [3 5] <nil>
}

func ExampleZip() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	pairs := futures.Zip(slices.Values([]int{2, 3, 4}), slices.Values([]string{"a", "b"}))
	for s, err := range futures.Map(ctx, pool, pairs, func(_ context.Context, p futures.Pair[int, string]) (string, error) {
		return strings.Repeat(p.Second, p.First), nil
	}) {
		fmt.Println(s, err)
	}
	// Output:
	// aa <nil>
	// bbb <nil>
}

func ExampleWait() {
	ctx := context.Background()
	a, b := futures.NewPromise[int](), futures.NewPromise[string]()
	a.Resolve(1, nil)
	done, pending, err := futures.Wait[futures.Handle](ctx, futures.FirstCompleted, a.Future(), b.Future())
	fmt.Println(len(done), len(pending), err)
	b.Resolve("", errors.New("no"))
	done, pending, err = futures.Wait[futures.Handle](ctx, futures.AllCompleted, a.Future(), b.Future())
	fmt.Println(len(done), len(pending), err) // that one has failed is no error of Wait
	// Output:
	// 1 1 <nil>
	// 2 0 <nil>
}

func ExampleAsCompleted() {
	ctx := context.Background()
	a, b, c := futures.NewPromise[string](), futures.NewPromise[string](), futures.NewPromise[string]()
	b.Resolve("b", nil)
	a.Resolve("a", nil)
	c.Resolve("c", nil)
	for f := range futures.AsCompleted(ctx, a.Future(), b.Future(), c.Future()) {
		fmt.Println(f.Result(ctx))
	}
	// Output:
	// b <nil>
	// a <nil>
	// c <nil>
}

func ExampleGather() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	var fs []*futures.Future[int]
	for n := range 4 {
		fs = append(fs, futures.Submit(ctx, pool, func(context.Context) (int, error) { return n * 10, nil }))
	}
	fmt.Println(futures.Gather(ctx, fs...))
	// Output: [0 10 20 30] <nil>
}

func ExampleTimeout() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	_, err := futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	}, futures.Timeout(time.Millisecond)).Result(ctx)
	fmt.Println(errors.Is(err, futures.ErrTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output: true true
}

func ExampleRetry() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	tries := 0
	text, err := futures.Submit(ctx, pool, func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", errors.New("bad luck")
		}
		return fmt.Sprint("attempt ", tries), nil
	}, futures.Retry(futures.RetryPolicy{Max: 4, Backoff: time.Millisecond, Jitter: 0.5})).Result(ctx)
	fmt.Println(text, err)
	// Output: attempt 3 <nil>
}

func ExamplePriority() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	begin := make(chan struct{})
	futures.Submit(ctx, pool, func(context.Context) (int, error) { <-begin; return 0, nil })
	say := func(text string, opts ...futures.Option) {
		futures.Submit(ctx, pool, func(context.Context) (int, error) { fmt.Println(text); return 0, nil }, opts...)
	}
	say("last", futures.Priority(-1))
	say("second")
	say("first", futures.Priority(10))
	close(begin)
	pool.Close()
	// Output:
	// first
	// second
	// last
}

func ExampleLabel() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	labels, _ := futures.Submit(ctx, pool, func(ctx context.Context) ([]futures.Tag, error) {
		return futures.CurrentTask(ctx).Labels(), nil
	}, futures.Label("customer", "42")).Result(ctx)
	fmt.Println(labels)
	// Output: [{customer 42}]
}

func ExamplePanicError() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	_, err := futures.Submit(ctx, pool, func(context.Context) (int, error) { panic("no way") }).Result(ctx)
	var p *futures.PanicError
	if errors.As(err, &p) {
		fmt.Println(p.Value, len(p.Stack) > 0)
	}
	// Output: no way true
}

func ExampleCycleError() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1})
	defer pool.Close()
	var f *futures.Future[int]
	ready := make(chan struct{})
	f = futures.Submit(ctx, pool, func(ctx context.Context) (int, error) {
		<-ready
		_, err := f.Result(ctx) // waits for itself
		var cycle *futures.CycleError
		fmt.Println(errors.As(err, &cycle))
		return 0, nil
	})
	close(ready)
	f.Result(ctx)
	// Output: true
}

func ExampleErrClosed() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	pool.Close()
	f := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil })
	fmt.Println(f.State(), errors.Is(f.Err(), futures.ErrClosed))
	// Output: failed true
}

func ExampleErrQueueFull() {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{Workers: 1, Queue: 1, RejectWhenFull: true})
	leave, started := make(chan struct{}), make(chan struct{})
	futures.Submit(ctx, pool, func(context.Context) (int, error) { close(started); <-leave; return 0, nil })
	<-started
	for range 2 {
		f := futures.Submit(ctx, pool, func(context.Context) (int, error) { return 1, nil })
		fmt.Println(f.State(), f.Err())
	}
	close(leave)
	pool.Close()
	// Output:
	// pending <nil>
	// failed futures: queue is full
}

func ExampleLookup() {
	d, err := futures.Lookup("example.area")
	if err != nil {
		fmt.Println(err)
		return
	}
	call := d.NewCall()
	*call.Input().(*[2]int) = [2]int{6, 7}
	err = call.Invoke(context.Background())
	fmt.Println(*call.Output().(*int), err)
	_, err = futures.Lookup("nowhere")
	fmt.Println(err)
	// Output:
	// 42 <nil>
	// futures: function is not registered: "nowhere"
}
