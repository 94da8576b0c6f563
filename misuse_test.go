package futures_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

func one(context.Context) (int, error) { return 1, nil }

var twice = futures.Define("futures_test.twice", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

// TestMisuse: a mistake of the caller's panics with the function's name.
func TestMisuse(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	defer pool.Close()
	var noFunc func(context.Context) (int, error)
	var noMapFunc func(context.Context, int) (int, error)
	var noPool *gopool.Pool
	var noFuture *futures.Future[int]
	var noContext context.Context
	id := func(_ context.Context, n int) (int, error) { return n, nil }
	inputs := slices.Values([]int{1})
	for text, misuse := range map[string]func(){
		"futures.Submit: nil function":      func() { futures.Submit(ctx, pool, noFunc) },
		"futures.Submit: nil executor":      func() { futures.Submit(ctx, noPool, one) },
		"futures.Submit: nil context":       func() { futures.Submit(noContext, pool, one) },
		"futures.Func.Submit: nil executor": func() { twice.Submit(ctx, nil, 1) },
		"futures.Definition.Submit: nil done": func() {
			d, _ := futures.Lookup(twice.Name())
			d.Submit(ctx, pool, func(any) error { return nil }, nil)
		},
		"futures.Map: nil function": func() { futures.Map(ctx, pool, inputs, noMapFunc) },
		"futures.Map: nil executor": func() { futures.Map(ctx, noPool, inputs, id) },
		"futures.Map: nil inputs":   func() { futures.Map(ctx, pool, nil, id) },
		"futures.Map: nil context":  func() { futures.Map(noContext, pool, inputs, id) },
		"futures.Map: Chunk cannot be combined": func() {
			futures.Map(ctx, pool, inputs, id, futures.Chunk(2), futures.Retry(futures.RetryPolicy{Max: 1}))
		},
		"futures.MapSlice: nil function":                  func() { futures.MapSlice(ctx, pool, []int{1}, noMapFunc) },
		"futures.Wait: nil future":                        func() { futures.Wait(ctx, futures.AllCompleted, noFuture) },
		"futures.Wait: unknown Until":                     func() { futures.Wait(ctx, futures.Until(9), noFuture) },
		"futures.AsCompleted: nil future":                 func() { futures.AsCompleted(ctx, noFuture) },
		"futures.OnDone: nil function":                    func() { futures.NewPromise[int]().Future().OnDone(nil) },
		"futures.Timeout: 0s is not positive":             func() { futures.Timeout(0) },
		"futures.Delay: -1s is not positive":              func() { futures.Delay(-time.Second) },
		"futures.Window: 0 is not positive":               func() { futures.Window(0) },
		"futures.Chunk: -1 is not positive":               func() { futures.Chunk(-1) },
		"futures.Retry: negative Max -1":                  func() { futures.Retry(futures.RetryPolicy{Max: -1}) },
		"futures.Retry: negative Backoff -1s":             func() { futures.Retry(futures.RetryPolicy{Backoff: -time.Second}) },
		"futures.Retry: negative MaxBackoff -1s":          func() { futures.Retry(futures.RetryPolicy{MaxBackoff: -time.Second}) },
		"futures.Retry: bad Multiplier 0.5":               func() { futures.Retry(futures.RetryPolicy{Multiplier: 0.5}) },
		"futures.Retry: bad Jitter 2":                     func() { futures.Retry(futures.RetryPolicy{Jitter: 2}) },
		"futures.Define: empty name":                      func() { futures.Define("", id) },
		`futures.Define: "x": nil function`:               func() { futures.Define("x", noMapFunc) },
		`futures.Define: "futures_test.twice" is already`: func() { futures.Define("futures_test.twice", id) },
		"misuse_test.go:":                                 func() { futures.Define("futures_test.twice", id) },
	} {
		t.Run(text, func(t *testing.T) {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, text) {
					t.Errorf("panic says %q", got)
				}
			}()
			misuse()
			t.Error("no panic")
		})
	}
}

// TestBadInput: what comes from elsewhere is an error in the future.
func TestBadInput(t *testing.T) {
	ctx := context.Background()
	pool := gopool.New(gopool.Options{})
	var undefined futures.Func[int, int]
	if err := undefined.Submit(ctx, pool, 1).Err(); !errors.Is(err, futures.ErrNotRegistered) {
		t.Errorf("a Func that Define did not make: %v", err)
	}
	if _, err := undefined.Call(ctx, 1); !errors.Is(err, futures.ErrNotRegistered) {
		t.Errorf("a Func that Define did not make: %v", err)
	}
	for _, err := range undefined.Map(ctx, pool, slices.Values([]int{1})) {
		if !errors.Is(err, futures.ErrNotRegistered) {
			t.Errorf("a Func that Define did not make: %v", err)
		}
	}
	if _, err := futures.Lookup("nowhere"); !errors.Is(err, futures.ErrNotRegistered) || !strings.Contains(err.Error(), `"nowhere"`) {
		t.Errorf("an unregistered name: %v", err)
	}
	pool.Close()
	f := futures.Submit(ctx, pool, one)
	if f.State() != futures.Failed || !errors.Is(f.Err(), futures.ErrClosed) {
		t.Errorf("a closed pool: %v, %v", f.State(), f.Err())
	}
}

func TestRegistry(t *testing.T) {
	d, err := futures.Lookup("futures_test.twice")
	if err != nil {
		t.Fatal(err)
	}
	call := d.NewCall()
	*call.Input().(*int) = 21
	if err := call.Invoke(context.Background()); err != nil || *call.Output().(*int) != 42 {
		t.Errorf("got %v, %v", *call.Output().(*int), err)
	}
	call.Reset()
	if *call.Input().(*int)+*call.Output().(*int) != 0 {
		t.Error("Reset kept something")
	}
	if in, out := d.Types(); in.String() != "int" || out.String() != "int" || d.Name() != twice.Name() {
		t.Errorf("%v, %v, %v", in, out, d.Name())
	}
	all := futures.Definitions()
	if !slices.ContainsFunc(all, func(d *futures.Definition) bool { return d.Name() == "futures_test.twice" }) {
		t.Error("not among the definitions")
	}
}
