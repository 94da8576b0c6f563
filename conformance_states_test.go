package futures_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/futures-go/futures"
)

// TestCancelIsSeen: when Cancel has returned true the future is cancelled for
// whoever asks, also if somebody else was about to cancel it.
func TestCancelIsSeen(t *testing.T) {
	var bad atomic.Int32
	for range 50_000 {
		f := futures.NewPromise[int]().Future()
		f.OnDone(func(*futures.Future[int]) {})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if f.Cancel() && (f.State() != futures.Cancelled || f.Err() != futures.ErrCancelled) {
					bad.Add(1)
				}
			})
		}
		wg.Wait()
	}
	if n := bad.Load(); n > 0 {
		t.Errorf("%d times Cancel was true and the future was not cancelled", n)
	}
}

// TestResolvedIsSeen: when Resolve says that the future is done already, it is.
func TestResolvedIsSeen(t *testing.T) {
	var bad atomic.Int32
	for range 50_000 {
		p := futures.NewPromise[int]()
		p.Future().OnDone(func(*futures.Future[int]) {})
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if p.Resolve(1, nil) != nil && !p.Future().State().Done() {
					bad.Add(1)
				}
			})
		}
		wg.Wait()
	}
	if n := bad.Load(); n > 0 {
		t.Errorf("%d times Resolve said that a future was done that was not", n)
	}
}

// TestStatesInOrder: nobody sees a state that the diagram in the package's doc does
// not allow, and Running only if somebody has called Start.
func TestStatesInOrder(t *testing.T) {
	for name, steps := range map[string]struct {
		allowed []futures.State
		end     func(*futures.Promise[int])
	}{
		"cancelled while pending": {
			[]futures.State{futures.Pending, futures.Cancelled},
			func(p *futures.Promise[int]) { p.Future().Cancel() },
		},
		"started and succeeded": {
			[]futures.State{futures.Pending, futures.Running, futures.Succeeded},
			func(p *futures.Promise[int]) { p.Start(); p.Resolve(1, nil) },
		},
		"started and failed": {
			[]futures.State{futures.Pending, futures.Running, futures.Failed},
			func(p *futures.Promise[int]) { p.Start(); p.Resolve(0, errOurs) },
		},
		"started, asked to stop, stopped": {
			[]futures.State{futures.Pending, futures.Running, futures.Cancelled},
			func(p *futures.Promise[int]) { p.Start(); p.Future().Cancel(); p.Resolve(0, context.Canceled) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := make(map[futures.State]int)
			for range 10_000 {
				p := futures.NewPromise[int]()
				ready := make(chan struct{})
				go func() {
					close(ready)
					steps.end(p)
				}()
				<-ready
				for at := 0; !steps.allowed[at].Done(); {
					state := p.Future().State()
					for at < len(steps.allowed)-1 && steps.allowed[at] != state {
						at++
					}
					if steps.allowed[at] != state {
						seen[state]++
						<-p.Future().Done()
						break
					}
				}
			}
			if len(seen) > 0 {
				t.Errorf("out of order: %v, want %v", seen, steps.allowed)
			}
		})
	}
}

// TestCancelOrResolve: F1, one of many wins, everybody sees who, and those who
// lose are told.
func TestCancelOrResolve(t *testing.T) {
	for range 3000 {
		p := futures.NewPromise[int]()
		var cancelled, resolved atomic.Int32
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				if p.Future().Cancel() {
					cancelled.Add(1)
				}
			})
			wg.Go(func() {
				if err := p.Resolve(i, nil); err == nil {
					resolved.Add(1)
				} else if !errors.Is(err, futures.ErrInvalidState) {
					t.Errorf("Resolve: %v", err)
				}
			})
			wg.Go(func() {
				if _, err := p.Future().Result(context.Background()); err != nil && err != futures.ErrCancelled {
					t.Errorf("Result: %v", err)
				}
			})
		}
		wg.Wait()
		switch p.Future().State() {
		case futures.Cancelled:
			if cancelled.Load() != 2 || resolved.Load() != 0 {
				t.Fatalf("cancelled: %d times by Cancel, and resolved %d times", cancelled.Load(), resolved.Load())
			}
		case futures.Succeeded:
			if resolved.Load() != 1 || cancelled.Load() != 0 {
				t.Fatalf("succeeded: resolved %d times, and cancelled %d times", resolved.Load(), cancelled.Load())
			}
		default:
			t.Fatalf("%v", p.Future())
		}
	}
}

// TestGivingUpHarmsNobody: a wait whose context ends leaves the future, and those
// who still wait, as they were.
func TestGivingUpHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := futures.NewPromise[int]()
		f := p.Future()
		ctx, cancel := context.WithCancel(context.Background())
		var gaveUp, waited int
		var mu sync.Mutex
		for i := range 40 {
			go func() {
				if i%2 == 0 {
					_, err := f.Result(ctx)
					mu.Lock()
					defer mu.Unlock()
					if gaveUp++; !errors.As(err, new(*futures.WaitError)) {
						t.Errorf("who gave up got %v", err)
					}
					return
				}
				v, err := f.Result(context.Background())
				mu.Lock()
				defer mu.Unlock()
				if waited++; v != 6 || err != nil {
					t.Errorf("who waited got %v, %v", v, err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if gaveUp != 20 || waited != 0 || f.State() != futures.Pending || f.Err() != nil {
			t.Errorf("%d gave up, %d do not wait any more, and %v", gaveUp, waited, f)
		}
		p.Resolve(6, nil)
		synctest.Wait()
		if waited != 20 {
			t.Errorf("%d got the value", waited)
		}
		if v, err := f.Result(ctx); v != 6 || err != nil {
			t.Errorf("with the ended context: %v, %v", v, err)
		}
	})
}
