package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/ipc"
)

func init() {
	doing["set"] = func(_ context.Context, in deed) (int, error) { return 0, in.Event.Set() }
	doing["clear"] = func(_ context.Context, in deed) (int, error) { return 0, in.Event.Clear() }
	doing["await"] = func(ctx context.Context, in deed) (int, error) {
		return together(ctx, max(in.N, 1), func(ctx context.Context, _ int) error { return in.Event.Wait(ctx) })
	}
	doing["is set"] = func(_ context.Context, in deed) (int, error) { return number(in.Event.IsSet()), nil }
}

// together calls fn in n goroutines, and returns how many calls succeeded. After the first
// error, the others' context ends.
func together(ctx context.Context, n int, fn func(ctx context.Context, i int) error) (succeeded int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- fn(ctx, i) }()
	}
	for range n {
		if e := <-errs; e == nil {
			succeeded++
		} else {
			err = errors.Join(err, e)
			cancel()
		}
	}
	return succeeded, err
}

func TestEvent(t *testing.T) {
	p := newPeer(t)
	t.Run("LK-19 LK-20 clear, wait, set, clear", func(t *testing.T) {
		e := made[*ipc.Event](t)(ipc.NewEvent())
		if e.IsSet() || e.String() != "Event(set: false)" || p.must(deed{Do: "is set", Event: e}) != 0 {
			t.Error(e)
		}
		wantError(t, "wait", e.Wait(ended()), context.Canceled)
		_, err := p.do(deed{Do: "await", Event: e, Patient: 3 * time.Millisecond})
		wantError(t, "wait", err, context.DeadlineExceeded)
		waiting := p.begin(deed{Do: "await", Event: e, N: 3})
		here := make(chan error)
		go func() { here <- e.Wait(t.Context()) }()
		ok(t, "set", e.Set())
		ok(t, "woken here", <-here)
		if n, err := waiting.Result(t.Context()); n != 3 || err != nil {
			t.Error(n, err)
		}
		ok(t, "set again", e.Set())
		ok(t, "wait", e.Wait(ended()))
		if !e.IsSet() || e.String() != "Event(set: true)" || p.must(deed{Do: "is set", Event: e}) != 1 {
			t.Error(e)
		}
		p.must(deed{Do: "clear", Event: e})
		if e.IsSet() {
			t.Error(e)
		}
		wantError(t, "wait", e.Wait(ended()), context.Canceled)
		go func() { here <- e.Wait(t.Context()) }()
		p.must(deed{Do: "set", Event: e})
		ok(t, "set by another process", <-here)
	})
	t.Run("closed", func(t *testing.T) {
		e := made[*ipc.Event](t)(ipc.NewEvent())
		waiting := p.begin(deed{Do: "await", Event: e, N: 2})
		got := make(chan error)
		go func() { got <- e.Wait(t.Context()) }()
		ok(t, "close", e.Close())
		wantError(t, "waiting", <-got, ipc.ErrClosed)
		if _, err := waiting.Result(t.Context()); !errors.Is(err, ipc.ErrClosed) && !errors.Is(err, ipc.ErrGone) {
			t.Error(err)
		}
		for _, err := range []error{e.Set(), e.Clear(), e.Wait(t.Context())} {
			wantError(t, "closed", err, ipc.ErrClosed)
		}
	})
}

// parked reports whether so many goroutines of this process sleep in a method, such as
// (*Event).Wait.
func parked(n int, method string) bool {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		head, _, _ := strings.Cut(stack, "\n")
		if strings.Contains(head, "[select") && strings.Contains(stack, "family.WaitSet.wait(") && strings.Contains(stack, "ipc."+method+"(") {
			n--
		}
	}
	return n <= 0
}

// later are goroutines that a task has begun and another one asks for.
var later struct {
	errs chan error
	n    int
}

func init() {
	doing["await later"] = func(_ context.Context, in deed) (int, error) {
		later.errs, later.n = make(chan error, in.N), in.N
		for range in.N {
			go func() { later.errs <- in.Event.Wait(context.Background()) }()
		}
		for !parked(in.N, "(*Event).Wait") {
			time.Sleep(50 * time.Microsecond)
		}
		return 0, nil
	}
	doing["join"] = func(context.Context, deed) (int, error) {
		var all error
		for range later.n {
			all = errors.Join(all, <-later.errs)
		}
		return later.n, all
	}
	parties["event"] = func(ctx context.Context, in party, marks []byte) (int, error) {
		return together(ctx, 4, func(ctx context.Context, i int) error {
			for n := 0; going(ctx, in); n++ {
				if i == 0 {
					if err := in.Event.Set(); err != nil {
						return err
					}
					if err := in.Event.Clear(); err != nil {
						return err
					}
					time.Sleep(time.Duration(rand.IntN(20)) * time.Microsecond)
					continue
				}
				wait, cancel := ctx, context.CancelFunc(func() {})
				if n%7 == 0 {
					wait, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(100))*time.Microsecond)
				}
				err := in.Event.Wait(wait)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
				if i == 1 {
					did(in, marks)
				}
			}
			return in.Event.Set() // the last of all does this last
		})
	}
}

// TestEventPulse: who waits when the event is set goes on although it is cleared at once:
// three goroutines in each of three processes, some of whom are new to it while others
// are still on their way, with a counter that goes round.
func TestEventPulse(t *testing.T) {
	defer ipc.NearWrap(5)()
	e := made[*ipc.Event](t)(ipc.NewEvent())
	peers := []*peer{newPeer(t), newPeer(t)}
	for range 20 {
		for _, p := range peers {
			p.must(deed{Do: "await later", Event: e, N: 3})
		}
		got := make(chan error)
		for range 3 {
			go func() { got <- e.Wait(t.Context()) }()
		}
		eventually(t, "all sleep", func() bool { return parked(3, "(*Event).Wait") })
		ok(t, "set", e.Set())
		ok(t, "clear", e.Clear())
		for range 3 {
			ok(t, "here", <-got)
		}
		for _, p := range peers {
			p.must(deed{Do: "join"})
		}
	}
}

// TestEventStorm: pulses wake all who wait, whoever dies, and whoever gives up meanwhile.
func TestEventStorm(t *testing.T) { storms(t, eventStorm) }

func eventStorm(t *testing.T, kills int, env ...string) {
	e := made[*ipc.Event](t)(ipc.NewEvent())
	path, marks := newMarks(t, 8*lifeWords(kills))
	storm(t, 3, kills, party{Kind: "event", Path: path, Event: e}, marks, env...)
}

// TestEventModel compares an event with a bool.
func TestEventModel(t *testing.T) {
	p := newPeer(t)
	defer ipc.NearWrap(5)()
	e := made[*ipc.Event](t)(ipc.NewEvent())
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 2))
	set := false
	for step := range 300 {
		var what string
		switch random.IntN(4) {
		case 0:
			what, set = "set", true
			ok(t, what, e.Set())
		case 1:
			what, set = "clear", false
			ok(t, what, e.Clear())
		case 2:
			what = [2]string{"clear", "set"}[random.IntN(2)]
			set = what == "set"
			p.must(deed{Do: what, Event: e})
		case 3:
			what = "wait"
			if err := e.Wait(ended()); (err == nil) != set {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
		}
		if e.IsSet() != set {
			t.Fatalf("seed %d, step %d, after %s: %v", seed, step, what, fmt.Sprint(e))
		}
	}
}
