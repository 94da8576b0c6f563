package futures_test

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures"
)

// goexit calls Goexit in a callback, as t.FailNow does.
func goexit(*futures.Future[int]) { runtime.Goexit() }

// apart calls fn in a goroutine of its own, which fn may end.
func apart(fn func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	<-done
}

// TestCallbacksThatEndTheGoroutine: the others are called all the same, and what
// the goroutine was about to do to the future has been done.
func TestCallbacksThatEndTheGoroutine(t *testing.T) {
	for _, o := range outcomes {
		t.Run(o.name, func(t *testing.T) {
			p := futures.NewPromise[int]()
			var order string
			note := func(name string) func(*futures.Future[int]) {
				return func(*futures.Future[int]) { order += name }
			}
			p.Future().OnDone(note("a"))
			p.Future().OnDone(goexit)
			p.Future().OnDone(note("b"))
			p.Future().OnDone(goexit)
			p.Future().OnDone(goexit)
			p.Future().OnDone(note("c"))
			apart(func() { o.end(p) })
			if v, err, done := p.Future().TryResult(); order != "abc" || v != o.value || err != o.err || !done {
				t.Errorf("called %q, future %v", order, p.Future())
			}
			apart(func() { p.Future().OnDone(goexit) })
			p.Future().OnDone(note("d"))
			if order != "abcd" {
				t.Errorf("called %q", order)
			}
		})
	}
}

// TestCallbacksMixed: panics, with nil too, Goexit and callbacks that act on the
// future itself.
func TestCallbacksMixed(t *testing.T) {
	log := captureLog(t)
	p := futures.NewPromise[int]()
	f := p.Future()
	var order string
	f.OnDone(func(*futures.Future[int]) { panic(nil) })
	f.OnDone(func(f *futures.Future[int]) {
		order += "a"
		if f.Cancel() || p.Resolve(9, nil) == nil {
			t.Error("a callback changes the outcome")
		}
		<-f.Done()
		f.OnDone(func(*futures.Future[int]) { panic("inner") })
		f.OnDone(func(*futures.Future[int]) { order += "b" })
	})
	f.OnDone(goexit)
	f.OnDone(func(*futures.Future[int]) { panic(errOurs) })
	f.OnDone(func(f *futures.Future[int]) {
		v, err, done := f.TryResult()
		if v != 5 || err != nil || !done {
			t.Errorf("got %v, %v, %v", v, err, done)
		}
		order += "c"
	})
	apart(func() { p.Resolve(5, nil) })
	if order != "abc" {
		t.Errorf("called %q", order)
	}
	for _, text := range []string{"nil argument", "inner", errOurs.Error()} {
		if !strings.Contains(log(), text) {
			t.Errorf("the log lacks %q:\n%s", text, log())
		}
	}
}

// TestCallbacksOnce: each callback is called once and sees the outcome, whoever
// adds it while somebody resolves.
func TestCallbacksOnce(t *testing.T) {
	const adders, each = 4, 20
	for _, o := range outcomes {
		for range 200 {
			p := futures.NewPromise[int]()
			var calls [adders * each]atomic.Int32
			var wg sync.WaitGroup
			for a := range adders {
				wg.Go(func() {
					for i := range each {
						p.Future().OnDone(func(f *futures.Future[int]) {
							calls[a*each+i].Add(1)
							if v, err, done := f.TryResult(); v != o.value || err != o.err || !done {
								t.Errorf("a callback sees %v, %v, %v", v, err, done)
							}
						})
					}
				})
			}
			wg.Go(func() { o.end(p) })
			wg.Wait()
			for i := range calls {
				if n := calls[i].Load(); n != 1 {
					t.Fatalf("%s: callback %d was called %d times", o.name, i, n)
				}
			}
		}
	}
}
