package executortest

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// count yields 0, 1, 2 ... for ever, or below n if that is positive, and notes
// how many were pulled.
func count(n int, pulled *int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := 0; n <= 0 || i < n; i++ {
			if pulled != nil {
				*pulled = i + 1
			}
			if !yield(i) {
				return
			}
		}
	}
}

// take collects the first n results.
func take[T any](t testing.TB, n int, results iter.Seq2[T, error]) []T {
	t.Helper()
	var all []T
	for v, err := range results {
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, v); len(all) == n {
			break
		}
	}
	return all
}

func squares(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i * i
	}
	return all
}

func (s *suite) maps(t *testing.T) {
	s.each(t, "EX-03 results in input order", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		naps := []int{9, 0, 5, 1, 7, 3, 0, 2}
		if got := take(t, -1, nap.Map(ctx, ex, slices.Values(naps))); !slices.Equal(got, naps) {
			t.Errorf("got %v", got)
		}
		for _, chunk := range []int{1, 3, 100} {
			if got := take(t, -1, square.Map(ctx, ex, count(40, nil), futures.Chunk(chunk))); !slices.Equal(got, squares(40)) {
				t.Errorf("chunk %d: got %v", chunk, got)
			}
		}
		var unordered []int
		for v, err := range square.Map(ctx, ex, count(200, nil), futures.Unordered()) {
			if err != nil {
				t.Fatal(err)
			}
			unordered = append(unordered, v)
		}
		slices.Sort(unordered)
		if !slices.Equal(unordered, squares(200)) {
			t.Errorf("unordered: %v", unordered)
		}
	})
	s.each(t, "EX-04 an error in its place, and on", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for _, opts := range [][]futures.MapOption{nil, {futures.Chunk(4)}} {
			var errs, values int
			i := 0
			for v, err := range refuse.Map(ctx, ex, slices.Values([]int{0, -1, 2, -3, 4}), opts...) {
				if i%2 == 1 {
					errs++
					if !errors.Is(err, fs.ErrInvalid) || v != 0 {
						t.Errorf("%d: %v, %v", i, v, err)
					}
				} else if values++; v != i || err != nil {
					t.Errorf("%d: %v, %v", i, v, err)
				}
				i++
			}
			want(t, "errors", errs, 2)
			want(t, "values", values, 3)
		}
	})
	s.each(t, "EX-05 a timeout of the function's own is one item's", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		n := 0
		for _, err := range misbehave.Map(ctx, ex, slices.Values([]string{"deadline of its own", "deadline of its own"})) {
			if n++; !errors.Is(err, context.DeadlineExceeded) || errors.As(err, new(*futures.WaitError)) {
				t.Errorf("got %v", err)
			}
		}
		want(t, "items", n, 2)
	})
	s.each(t, "EX-06 the end of the context ends it", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		within, cancel := context.WithCancel(ctx)
		defer cancel()
		m.release("a")
		var last error
		n := 0
		for _, err := range meet.Map(within, ex, slices.Values([]Place{m.place("a", 1), m.place("b", 2), m.place("c", 3)})) {
			n++
			if last = err; n == 1 {
				cancel()
			}
		}
		if n != 2 || !errors.As(last, new(*futures.WaitError)) || !errors.Is(last, context.Canceled) {
			t.Errorf("%d yielded, the last with %v", n, last)
		}
	})
	s.each(t, "EX-07 leaving early cancels what has not started", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		m.release("0")
		places := func(yield func(Place) bool) {
			for i := range 8 {
				if !yield(m.place(string(rune('0'+i)), i)) {
					return
				}
			}
		}
		for v, err := range meet.Map(ctx, ex, places, futures.Window(4)) {
			if v != 0 || err != nil {
				t.Errorf("got %v, %v", v, err)
			}
			break
		}
		for i := 2; i < 8; i++ { // the second may have started, and was cancelled
			want(t, "came", m.came(string(rune('0'+i))), false)
		}
	})
	t.Run("EX-09 sizes below one", func(t *testing.T) {
		for name, option := range map[string]func(){
			"futures.Window": func() { futures.Window(0) },
			"futures.Chunk":  func() { futures.Chunk(-1) },
		} {
			func() {
				defer func() {
					if text, _ := recover().(string); len(text) < len(name) || text[:len(name)] != name {
						t.Errorf("%s: panic says %q", name, text)
					}
				}()
				option()
			}()
		}
	})
	s.each(t, "EX-10 any window gives the same", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for _, window := range []int{1, 2, 10, 20} {
			if got := take(t, -1, square.Map(ctx, ex, count(10, nil), futures.Window(window))); !slices.Equal(got, squares(10)) {
				t.Errorf("window %d: %v", window, got)
			}
		}
	})
	s.each(t, "EX-11 two inputs", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		pairs := futures.Zip(count(5, nil), count(5, nil))
		if got := take(t, -1, sum.Map(ctx, ex, pairs, futures.Window(2))); !slices.Equal(got, []int{0, 2, 4, 6, 8}) {
			t.Errorf("got %v", got)
		}
	})
	s.each(t, "EX-12 an infinite input", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		if got := take(t, 3, square.Map(ctx, ex, count(0, nil))); !slices.Equal(got, squares(3)) {
			t.Errorf("got %v", got)
		}
	})
	s.each(t, "EX-13 two infinite inputs", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		if got := take(t, 3, sum.Map(ctx, ex, futures.Zip(count(0, nil), count(0, nil)))); !slices.Equal(got, []int{0, 2, 4}) {
			t.Errorf("got %v", got)
		}
	})
	s.each(t, "EX-14 an empty input", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		for range square.Map(ctx, ex, func(func(int) bool) {}) {
			t.Error("yielded something")
		}
	})
	s.each(t, "EX-15 no input", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		defer func() {
			if text, _ := recover().(string); text != "futures.Func.Map: nil inputs" {
				t.Errorf("panic says %q", text)
			}
		}()
		square.Map(ctx, ex, nil)
	})
	s.each(t, "EX-16 what is pulled", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		const window = 4
		pulled, taken := 0, 0
		for range square.Map(ctx, ex, count(0, &pulled), futures.Window(window)) {
			want(t, "pulled with a result in hand", pulled, window+taken)
			if taken++; taken == 10 {
				break
			}
		}
		next, stop := iter.Pull2(square.Map(ctx, ex, count(0, &pulled), futures.Window(window)))
		pulled = 0
		want(t, "pulled before the first", pulled, 0)
		next()
		want(t, "pulled for the first", pulled, window)
		next()
		want(t, "pulled for the second", pulled, window+1)
		stop()
	})
	s.each(t, "EX-18 nothing is kept of a task that ran", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		collected := make(chan struct{})
		func() {
			big := &ballast{}
			cleanup(big, collected)
			weigh.Submit(ctx, ex, big).Result(ctx)
		}()
		collect(t, collected)
	})
	for name, opts := range map[string][]futures.MapOption{
		"":                               nil,
		", with a window":                {futures.Window(3)},
		", each input a task of its own": {futures.Timeout(time.Hour)},
		", in the order of completion":   {futures.Unordered()},
		", several inputs to a task":     {futures.Chunk(7)},
	} {
		s.each(t, "EX-20 nothing is kept of a result that was yielded"+name, 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
			n := 0
			for v, err := range grow.Map(ctx, ex, count(50, nil), opts...) {
				if err != nil {
					t.Fatal(err)
				}
				collected := make(chan struct{})
				cleanup(v, collected)
				v = nil
				_ = v
				collect(t, collected)
				if n++; n == 5 || t.Failed() {
					break
				}
			}
		})
	}
	s.each(t, "EX-22 bounded by default", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		pulled := 0
		for range square.Map(ctx, ex, count(0, &pulled)) {
			break
		}
		if pulled > 1000 {
			t.Errorf("%d pulled for the first result", pulled)
		}
	})
	s.each(t, "EX-23 the shorter input ends it", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		if got := take(t, -1, sum.Map(ctx, ex, futures.Zip(count(0, nil), count(2, nil)))); len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
	s.each(t, "EX-24 one that is never ranged over does nothing", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		pulled := 0
		_ = square.Map(ctx, ex, count(0, &pulled))
		want(t, "pulled", pulled, 0)
	})
}

// ballast is a value that is missed when it is kept.
type ballast struct{ Bytes [1 << 16]byte }

var weigh = futures.Define("executortest.weigh", func(_ context.Context, b *ballast) (int, error) { return len(b.Bytes), nil })

var grow = futures.Define("executortest.grow", func(context.Context, int) (*ballast, error) { return new(ballast), nil })

// cleanup closes collected once v has been collected.
func cleanup(v *ballast, collected chan struct{}) {
	runtime.AddCleanup(v, func(c chan struct{}) { close(c) }, collected)
}

// collect runs the collector until the channel is closed.
func collect(t testing.TB, collected <-chan struct{}) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		runtime.GC()
		select {
		case <-collected:
			return
		default:
		}
		if time.Now().After(deadline) {
			t.Error("something that is over is kept")
			return
		}
	}
}
