package futures_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
)

var errOurs = errors.New("ours")

// outcomes makes a promise in each final state, and says what it holds.
var outcomes = []struct {
	name  string
	state futures.State
	end   func(*futures.Promise[int])
	value int
	err   error
}{
	{"succeeded", futures.Succeeded, func(p *futures.Promise[int]) { p.Start(); p.Resolve(5, nil) }, 5, nil},
	{"failed", futures.Failed, func(p *futures.Promise[int]) { p.Start(); p.Resolve(5, errOurs) }, 0, errOurs},
	{"cancelled", futures.Cancelled, func(p *futures.Promise[int]) { p.Future().Cancel() }, 0, futures.ErrCancelled},
}

// states makes a promise in each state.
func states() map[futures.State]*futures.Promise[int] {
	all := map[futures.State]*futures.Promise[int]{
		futures.Pending: futures.NewPromise[int](),
		futures.Running: futures.NewPromise[int](),
	}
	all[futures.Running].Start()
	for _, o := range outcomes {
		p := futures.NewPromise[int]()
		o.end(p)
		all[o.state] = p
	}
	return all
}

// TestCallbacks holds F-01 to F-08, F-25 and F-26, and with it F4.
func TestCallbacks(t *testing.T) {
	ids := map[string][2]string{"succeeded": {"F-01", "F-05"}, "failed": {"F-02", "F-06"}, "cancelled": {"F-03", "F-07"}}
	for _, o := range outcomes {
		check := func(t *testing.T, calls *int) func(*futures.Future[int]) {
			return func(f *futures.Future[int]) {
				*calls++
				v, err, done := f.TryResult()
				if v != o.value || err != o.err || !done || f.State() != o.state {
					t.Errorf("the callback sees %v, %v, %v in state %v", v, err, done, f.State())
				}
			}
		}
		t.Run(ids[o.name][0]+" callback added before it has "+o.name, func(t *testing.T) {
			p, calls := futures.NewPromise[int](), 0
			p.Future().OnDone(check(t, &calls))
			o.end(p)
			if calls != 1 {
				t.Errorf("called %d times by the time it was %s", calls, o.name)
			}
		})
		t.Run(ids[o.name][1]+" callback added after it has "+o.name, func(t *testing.T) {
			p, calls := futures.NewPromise[int](), 0
			o.end(p)
			p.Future().OnDone(check(t, &calls))
			if calls != 1 {
				t.Errorf("called %d times when OnDone returned", calls)
			}
		})
	}
	t.Run("F-04 a callback that panics stops nothing", func(t *testing.T) {
		log := captureLog(t)
		p, called := futures.NewPromise[int](), false
		p.Future().OnDone(func(*futures.Future[int]) { panic("dropped the tray") })
		p.Future().OnDone(func(*futures.Future[int]) { called = true })
		p.Resolve(1, nil)
		if !called || !strings.Contains(log(), "dropped the tray") {
			t.Errorf("next called: %v, log: %s", called, log())
		}
	})
	t.Run("F-08 nor one that is added late", func(t *testing.T) {
		log := captureLog(t)
		p := futures.NewPromise[int]()
		p.Resolve(1, nil)
		p.Future().OnDone(func(*futures.Future[int]) { panic("late tray") })
		if !strings.Contains(log(), "late tray") || !strings.Contains(log(), "succeeded") {
			t.Errorf("log: %s", log())
		}
	})
	t.Run("F-25 callbacks run in the order they were added", func(t *testing.T) {
		p := futures.NewPromise[int]()
		var order string
		add := func(name string) { p.Future().OnDone(func(*futures.Future[int]) { order += name }) }
		add("a")
		p.Future().OnDone(func(*futures.Future[int]) { order += "b"; add("c") })
		add("d")
		add("d")
		p.Resolve(1, nil)
		if order != "abcdd" {
			t.Errorf("order %s, want abcdd", order)
		}
	})
	t.Run("F-26 waiters are released first, then callbacks run", func(t *testing.T) {
		p := futures.NewPromise[int]()
		f := p.Future()
		waited := make(chan struct{})
		f.OnDone(func(f *futures.Future[int]) {
			f.Result(context.Background()) // does not deadlock
			<-f.Done()
			<-waited // nor does the waiter wait for us
		})
		go func() {
			defer close(waited)
			f.Result(context.Background())
		}()
		p.Resolve(1, nil)
	})
}

func TestStates(t *testing.T) {
	t.Run("F-09 String", func(t *testing.T) {
		for state, p := range states() {
			text := p.Future().String()
			if !strings.Contains(text, state.String()) {
				t.Errorf("%v: %q", state, text)
			}
			if state == futures.Succeeded && !strings.Contains(text, "int") || state == futures.Failed && !strings.Contains(text, "errorString") {
				t.Errorf("%v: %q lacks the type", state, text)
			}
		}
	})
	t.Run("F-11 Cancel by state", func(t *testing.T) {
		want := map[futures.State]bool{futures.Pending: true, futures.Cancelled: true}
		for state, p := range states() {
			if got := p.Future().Cancel(); got != want[state] {
				t.Errorf("%v: Cancel is %v", state, got)
			}
			if after := p.Future().State(); after != state && state != futures.Pending {
				t.Errorf("%v became %v", state, after)
			}
		}
	})
	t.Run("F-12 cancelled is one state", func(t *testing.T) {
		for state, p := range states() {
			if p.Future().State() != state {
				t.Errorf("want %v, got %v", state, p.Future().State())
			}
			if errors.Is(p.Future().Err(), futures.ErrCancelled) != (state == futures.Cancelled) {
				t.Errorf("%v: %v", state, p.Future().Err())
			}
		}
	})
	t.Run("F-13 Done", func(t *testing.T) {
		for state, p := range states() {
			closed := false
			select {
			case <-p.Future().Done():
				closed = true
			default:
			}
			if closed != state.Done() || state.Done() != (state >= futures.Succeeded) {
				t.Errorf("%v: Done closed %v", state, closed)
			}
		}
	})
	t.Run("F-14 Running", func(t *testing.T) {
		p := futures.NewPromise[int]()
		if p.Future().State() != futures.Pending || !p.Start() || p.Future().State() != futures.Running {
			t.Errorf("state %v", p.Future().State())
		}
	})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	t.Run("F-15 Result without waiting", func(t *testing.T) {
		for state, p := range states() {
			v, err := p.Future().Result(ended)
			isWait := errors.As(err, new(*futures.WaitError))
			switch {
			case isWait == state.Done():
				t.Errorf("%v: %v", state, err)
			case state == futures.Succeeded && (v != 5 || err != nil):
				t.Errorf("%v: %v, %v", state, v, err)
			case state == futures.Failed && err != errOurs, state == futures.Cancelled && err != futures.ErrCancelled:
				t.Errorf("%v: %v", state, err)
			}
		}
	})
	t.Run("F-18 Err keeps apart what is not the task's", func(t *testing.T) {
		want := map[futures.State]error{futures.Failed: errOurs, futures.Cancelled: futures.ErrCancelled}
		for state, p := range states() {
			if err := p.Future().Err(); err != want[state] {
				t.Errorf("%v: %v", state, err)
			}
		}
	})
	t.Run("F-27 a deadline that has passed is no wait at all", func(t *testing.T) {
		past, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
		defer cancel()
		if _, err := futures.NewPromise[int]().Future().Result(past); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestBlockedWaiters holds F-16, F-17 and F-19.
func TestBlockedWaiters(t *testing.T) {
	ids := map[string]string{"succeeded": "F-16", "cancelled": "F-17", "failed": "F-19"}
	for _, o := range outcomes {
		t.Run(ids[o.name]+" a blocked Result returns when it has "+o.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := futures.NewPromise[int]()
				for _, ctx := range []context.Context{context.Background(), t.Context()} {
					go func() {
						if v, err := p.Future().Result(ctx); v != o.value || err != o.err {
							t.Errorf("got %v, %v", v, err)
						}
					}()
				}
				synctest.Wait()
				o.end(p)
			})
		})
	}
}

// TestResolve holds F-20 to F-24 and F-28: F1, and F2 with readers beside.
func TestResolve(t *testing.T) {
	for id, end := range map[string]error{"F-20 a second value": nil, "F-21 a second error": errOurs} {
		t.Run(id, func(t *testing.T) {
			p := futures.NewPromise[int]()
			if err := p.Resolve(1, end); err != nil {
				t.Fatal(err)
			}
			err := p.Resolve(2, fs.ErrExist)
			if !errors.Is(err, futures.ErrInvalidState) || !strings.Contains(err.Error(), p.Future().State().String()) {
				t.Errorf("got %v", err)
			}
			if _, err := p.Future().Result(context.Background()); err != end {
				t.Errorf("the first did not stay: %v", err)
			}
		})
	}
	t.Run("F-22 one consistent outcome for many readers", func(t *testing.T) {
		p := futures.NewPromise[int]()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 1000 {
					v, err, done := p.Future().TryResult()
					if done && (v != 0 || err != errOurs) || !done && (v != 0 || err != nil) {
						t.Errorf("%v, %v, %v", v, err, done)
					}
				}
			})
		}
		for range 4 {
			wg.Go(func() { p.Resolve(7, errOurs) })
		}
		wg.Wait()
	})
	t.Run("F-23 Start", func(t *testing.T) {
		p := futures.NewPromise[int]()
		if !p.Start() {
			t.Error("Start of a pending one is false")
		}
		cancelled := futures.NewPromise[int]()
		cancelled.Future().Cancel()
		for range 2 {
			if cancelled.Start() {
				t.Error("Start of a cancelled one is true")
			}
		}
		done := futures.NewPromise[int]()
		done.Resolve(1, nil)
		for _, again := range []*futures.Promise[int]{p, done} {
			func() {
				defer func() {
					if err, _ := recover().(error); !errors.Is(err, futures.ErrInvalidState) {
						t.Errorf("panic says %v", err)
					}
				}()
				again.Start()
			}()
		}
	})
	t.Run("F-24 resolving a cancelled one", func(t *testing.T) {
		p := futures.NewPromise[int]()
		p.Future().Cancel()
		if err := p.Resolve(1, nil); !errors.Is(err, futures.ErrInvalidState) || !strings.Contains(err.Error(), "cancelled") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("F-28 the same error for everybody, never a wait's", func(t *testing.T) {
		p := futures.NewPromise[int]()
		_, nested := futures.NewPromise[int]().Future().Result(func() context.Context {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx
		}())
		if !errors.As(nested, new(*futures.WaitError)) {
			t.Fatalf("got %v", nested)
		}
		p.Resolve(0, nested) // as a task returns what its own wait gave it
		_, first := p.Future().Result(context.Background())
		_, second := p.Future().Result(context.Background())
		if first != second || errors.As(first, new(*futures.WaitError)) || !errors.Is(first, context.Canceled) {
			t.Errorf("got %v and %v", first, second)
		}
	})
	t.Run("a promise that is asked to stop", func(t *testing.T) {
		p := futures.NewPromise[int]()
		p.Start()
		if p.Future().Cancel() {
			t.Error("Cancel of a running one is true")
		}
		<-p.Context().Done()
		if cause := context.Cause(p.Context()); cause != futures.ErrCancelled {
			t.Errorf("cause %v", cause)
		}
		p.Resolve(0, p.Context().Err())
		if p.Future().State() != futures.Cancelled {
			t.Errorf("state %v", p.Future().State())
		}
	})
}
