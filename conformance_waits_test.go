package futures_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
)

// promises returns n promises and their futures.
func promises(n int) (ps []*futures.Promise[int], fs []*futures.Future[int]) {
	for range n {
		p := futures.NewPromise[int]()
		ps, fs = append(ps, p), append(fs, p.Future())
	}
	return ps, fs
}

// TestCompletionOrder: AsCompleted yields in the order in which the futures were
// done, however many were done before, while it waits, or while the body runs.
func TestCompletionOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		ps, fs := promises(1 + r.IntN(30))
		order := r.Perm(len(ps))
		before := r.IntN(len(ps) + 1)
		for _, i := range order[:before] {
			ps[i].Resolve(i, nil)
		}
		asked := slices.Clone(fs)
		for range r.IntN(5) {
			asked = append(asked, fs[r.IntN(len(fs))])
		}
		inBody := r.IntN(2) == 0
		var wg sync.WaitGroup
		if !inBody {
			wg.Go(func() {
				for _, i := range order[before:] {
					ps[i].Resolve(i, nil)
				}
			})
		} else if before == 0 {
			ps[order[0]].Resolve(order[0], nil)
			before = 1
		}
		var got []int
		for f := range futures.AsCompleted(context.Background(), asked...) {
			v, err, done := f.TryResult()
			if err != nil || !done {
				t.Errorf("yielded %v", f)
			}
			got = append(got, v)
			if n := len(got); inBody && n >= before && n < len(order) {
				ps[order[n]].Resolve(order[n], nil)
			}
		}
		wg.Wait()
		if !slices.Equal(got, order) {
			t.Fatalf("yielded %v, done in the order %v", got, order)
		}
	}
}

// TestCompletionIsCausal: what is done because something else was seen to be done
// comes after it.
func TestCompletionIsCausal(t *testing.T) {
	for range 2000 {
		ps, fs := promises(6)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if i%2 == 0 {
					<-fs[i].Done()
				} else {
					for !fs[i].State().Done() {
						runtime.Gosched()
					}
				}
				ps[i+1].Resolve(i+1, nil)
			})
		}
		wg.Go(func() { ps[0].Resolve(0, nil) })
		want := 0
		for f := range futures.AsCompleted(context.Background(), fs[5], fs[3], fs[1], fs[0], fs[2], fs[4]) {
			if v, _, _ := f.TryResult(); v != want {
				t.Fatalf("yielded %d, want %d", v, want)
			}
			want++
		}
		wg.Wait()
	}
}

// TestWaitWithEndedContext: what is satisfied already is no error.
func TestWaitWithEndedContext(t *testing.T) {
	ps, fs := promises(3)
	ps[0].Resolve(0, nil)
	ps[1].Resolve(0, errOurs)
	for until, want := range map[futures.Until]int{futures.FirstCompleted: 2, futures.FirstError: 2} {
		done, pending, err := futures.Wait(endedContext(), until, fs...)
		if len(done) != want || len(pending) != 1 || err != nil {
			t.Errorf("until %d: %v, %v, %v", until, done, pending, err)
		}
	}
	if done, pending, err := futures.Wait(endedContext(), futures.AllCompleted, fs[:2]...); len(done) != 2 || len(pending) != 0 || err != nil {
		t.Errorf("all: %v, %v, %v", done, pending, err)
	}
	if values, err := futures.Gather(endedContext(), fs[0]); len(values) != 1 || err != nil {
		t.Errorf("Gather: %v, %v", values, err)
	}
	if values, err := futures.Gather[int](endedContext()); len(values) != 0 || err != nil {
		t.Errorf("Gather of nothing: %v, %v", values, err)
	}
	for range futures.AsCompleted[*futures.Future[int]](endedContext()) {
		t.Error("AsCompleted of nothing yields something")
	}
	var order []*futures.Future[int]
	for f := range futures.AsCompleted(endedContext(), fs[2], fs[1], fs[0]) {
		order = append(order, f)
	}
	if !slices.Equal(order, []*futures.Future[int]{fs[0], fs[1], fs[2]}) {
		t.Errorf("AsCompleted: %v", order)
	}
}

// TestWaitModes: what each mode waits for, step by step.
func TestWaitModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ps, fs := promises(4)
		returned := make(map[futures.Until]int)
		var mu sync.Mutex
		for _, until := range []futures.Until{futures.AllCompleted, futures.FirstCompleted, futures.FirstError} {
			go func() {
				done, _, err := futures.Wait(context.Background(), until, fs...)
				mu.Lock()
				defer mu.Unlock()
				if returned[until] = len(done); err != nil {
					t.Errorf("until %d: %v", until, err)
				}
			}()
		}
		step := func(what string, want map[futures.Until]int, do func()) {
			do()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			for until, n := range want {
				if returned[until] != n {
					t.Errorf("%s: until %d returned with %d", what, until, returned[until])
				}
			}
			if len(returned) != len(want) {
				t.Errorf("%s: returned %v, want %v", what, returned, want)
			}
		}
		want := map[futures.Until]int{}
		step("nothing", want, func() {})
		want[futures.FirstCompleted] = 1
		step("one cancelled", want, func() { fs[2].Cancel() })
		step("one succeeded", want, func() { ps[0].Resolve(1, nil) })
		want[futures.FirstError] = 3
		step("one failed", want, func() { ps[1].Resolve(0, errOurs) })
		want[futures.AllCompleted] = 4
		step("the last", want, func() { ps[3].Resolve(1, nil) })
	})
}

// ballast is a value that is missed when it is kept.
type ballast [1 << 16]byte

// collected returns a channel that is closed once b has been collected.
func collected(b *ballast) <-chan struct{} {
	c := make(chan struct{})
	runtime.AddCleanup(b, func(c chan struct{}) { close(c) }, c)
	return c
}

// awaitCollection runs the collector until c is closed.
func awaitCollection(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		select {
		case <-c:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Errorf("%s keeps the value of another future", what)
			return
		}
		runtime.Gosched()
	}
}

// TestWaitsLeaveNothing: a future that is still pending does not keep the others
// that somebody waited for together with it.
func TestWaitsLeaveNothing(t *testing.T) {
	pending := futures.NewPromise[*ballast]().Future()
	waits := map[string]func(quick *futures.Future[*ballast]){
		"AsCompleted left early": func(quick *futures.Future[*ballast]) {
			for f := range futures.AsCompleted(context.Background(), pending, quick) {
				if f != quick {
					t.Errorf("yielded %v first", f)
				}
				break
			}
		},
		"AsCompleted with an ended context": func(quick *futures.Future[*ballast]) {
			for range futures.AsCompleted(endedContext(), pending, quick) {
			}
		},
		"Wait for the first": func(quick *futures.Future[*ballast]) {
			futures.Wait(context.Background(), futures.FirstCompleted, pending, quick)
		},
		"Wait for all with an ended context": func(quick *futures.Future[*ballast]) {
			futures.Wait(endedContext(), futures.AllCompleted, pending, quick)
		},
		"Gather with an ended context": func(quick *futures.Future[*ballast]) {
			if _, err := futures.Gather(endedContext(), pending, quick); !errors.As(err, new(*futures.WaitError)) {
				t.Errorf("Gather: %v", err)
			}
		},
	}
	for name, wait := range waits {
		var gone <-chan struct{}
		func() {
			p, b := futures.NewPromise[*ballast](), new(ballast)
			gone = collected(b)
			p.Resolve(b, nil)
			wait(p.Future())
		}()
		awaitCollection(t, name, gone)
	}
	// The same while the future becomes done during the wait.
	var gone <-chan struct{}
	func() {
		p, b := futures.NewPromise[*ballast](), new(ballast)
		gone = collected(b)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range futures.AsCompleted(context.Background(), pending, p.Future()) {
				break
			}
		})
		p.Resolve(b, nil)
		wg.Wait()
	}()
	awaitCollection(t, "AsCompleted that had to wait", gone)
	runtime.KeepAlive(pending)
}

// TestMixedHandles: futures of different types together.
func TestMixedHandles(t *testing.T) {
	number, text := futures.NewPromise[int](), futures.NewPromise[string]()
	text.Resolve("t", nil)
	number.Future().Cancel()
	set := []futures.Handle{number.Future(), text.Future(), number.Future()}
	done, pending, err := futures.Wait(context.Background(), futures.AllCompleted, set...)
	if len(done) != 2 || len(pending) != 0 || err != nil {
		t.Errorf("%v, %v, %v", done, pending, err)
	}
	var order []futures.Handle
	for h := range futures.AsCompleted(context.Background(), set...) {
		order = append(order, h)
	}
	if !slices.Equal(order, []futures.Handle{text.Future(), number.Future()}) {
		t.Errorf("%v", order)
	}
}
