package executortest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

type intFuture = *futures.Future[int]

func (s *suite) wait(t *testing.T) {
	s.each(t, "W-01 a future given twice counts once", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f := echo.Submit(ctx, ex, 1)
		done, pending, err := futures.Wait(ctx, futures.AllCompleted, f, f)
		if len(done) != 1 || len(pending) != 0 || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
	})
	s.each(t, "W-02 first completed, and cancelled is done", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		a, b := meet.Submit(ctx, ex, m.place("a", 1)), meet.Submit(ctx, ex, m.place("b", 1))
		queued := echo.Submit(ctx, ex, 1)
		m.await("a")
		m.await("b")
		m.release("a")
		if _, err := a.Result(ctx); err != nil {
			t.Fatal(err)
		}
		queued.Result(ctx) // the freed worker takes it
		second := meet.Submit(ctx, ex, m.place("c", 1))
		third := echo.Submit(ctx, ex, 1)
		m.await("c")
		want(t, "Cancel", third.Cancel(), true)
		done, pending, err := futures.Wait(ctx, futures.FirstCompleted, b, second, third)
		if !slices.Equal(done, []intFuture{third}) || !slices.Equal(pending, []intFuture{b, second}) || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		m.release("b", "c")
	})
	s.each(t, "W-03 first completed with some complete", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		a, b := echo.Submit(ctx, ex, 1), echo.Submit(ctx, ex, 2)
		futures.Wait(ctx, futures.AllCompleted, a, b)
		c := meet.Submit(ctx, ex, m.place("c", 1))
		done, pending, err := futures.Wait(ctx, futures.FirstCompleted, c, b, a)
		if !slices.Equal(done, []intFuture{b, a}) || !slices.Equal(pending, []intFuture{c}) || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		m.release("c")
	})
	s.each(t, "W-04 first error passes successes", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		good, bad := echo.Submit(ctx, ex, 1), refuse.Submit(ctx, ex, -1)
		done, pending, err := futures.Wait(ctx, futures.FirstError, hold, good, bad)
		if !slices.Equal(done, []intFuture{good, bad}) || !slices.Equal(pending, []intFuture{hold}) || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		m.release("hold")
	})
	s.each(t, "W-05 cancelled is not an error", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		cancelled, bad := echo.Submit(ctx, ex, 1), refuse.Submit(ctx, ex, -1)
		m.await("hold")
		cancelled.Cancel()
		ended, cancel := context.WithCancel(ctx)
		cancel()
		done, pending, err := futures.Wait(ended, futures.FirstError, hold, cancelled, bad)
		if !slices.Equal(done, []intFuture{cancelled}) || len(pending) != 2 || err == nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		m.release("hold")
		done, _, err = futures.Wait(ctx, futures.FirstError, cancelled, bad)
		if len(done) != 2 || err != nil {
			t.Errorf("got %v, %v", done, err)
		}
	})
	s.each(t, "W-06 first error with one failed", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		bad := refuse.Submit(ctx, ex, -1)
		<-bad.Done()
		hold := meet.Submit(ctx, ex, m.place("hold", 1))
		done, pending, err := futures.Wait(ctx, futures.FirstError, hold, bad)
		if !slices.Equal(done, []intFuture{bad}) || !slices.Equal(pending, []intFuture{hold}) || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
		m.release("hold")
	})
	s.each(t, "W-07 all completed whatever the outcome", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		fs := []intFuture{echo.Submit(ctx, ex, 1), refuse.Submit(ctx, ex, -1), misbehave.Submit(ctx, ex, "panic"), nap.Submit(ctx, ex, 5)}
		done, pending, err := futures.Wait(ctx, futures.AllCompleted, fs...)
		if !slices.Equal(done, fs) || len(pending) != 0 || err != nil {
			t.Errorf("got %v, %v, %v", done, pending, err)
		}
	})
	s.each(t, "W-08 the end of the context keeps both sets", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		quick, hold := echo.Submit(ctx, ex, 1), meet.Submit(ctx, ex, m.place("hold", 1))
		<-quick.Done()
		within, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		done, pending, err := futures.Wait(within, futures.AllCompleted, quick, hold)
		if !slices.Equal(done, []intFuture{quick}) || !slices.Equal(pending, []intFuture{hold}) {
			t.Errorf("got %v, %v", done, pending)
		}
		wait, _ := errors.AsType[*futures.WaitError](err)
		if wait == nil || wait.Unfinished != 1 || wait.Total != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %#v", err)
		}
		m.release("hold")
	})
	s.each(t, "W-10 the order given is kept", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		var fs []intFuture
		for i := range 20 {
			fs = append(fs, nap.Submit(ctx, ex, (20-i)%3))
		}
		done, _, err := futures.Wait(ctx, futures.AllCompleted, fs...)
		if !slices.Equal(done, fs) || err != nil {
			t.Errorf("got %v, %v", done, err)
		}
	})
	t.Run("W-11 wait of nothing", func(t *testing.T) {
		for _, until := range []futures.Until{futures.AllCompleted, futures.FirstCompleted, futures.FirstError} {
			done, pending, err := futures.Wait[intFuture](t.Context(), until)
			if len(done)+len(pending) != 0 || err != nil {
				t.Errorf("got %v, %v, %v", done, pending, err)
			}
		}
	})
	s.each(t, "W-12 futures of several executors", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		other := s.open(t, 1)
		promise := futures.NewPromise[string]()
		promise.Resolve("by hand", nil)
		fs := []futures.Handle{echo.Submit(ctx, ex, 1), echo.Submit(ctx, other, 2), promise.Future()}
		done, _, err := futures.Wait(ctx, futures.AllCompleted, fs...)
		if len(done) != 3 || err != nil {
			t.Errorf("got %v, %v", done, err)
		}
	})
}

func (s *suite) asCompleted(t *testing.T) {
	s.each(t, "AC-01 each exactly once", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		before := echo.Submit(ctx, ex, 1)
		<-before.Done()
		fs := []intFuture{refuse.Submit(ctx, ex, -1), before, nap.Submit(ctx, ex, 3), misbehave.Submit(ctx, ex, "panic")}
		times := make(map[intFuture]int)
		for f := range futures.AsCompleted(ctx, fs...) {
			times[f]++
			want(t, "done", f.State().Done(), true)
		}
		for _, f := range fs {
			want(t, "times", times[f], 1)
		}
	})
	s.each(t, "AC-02 those that are done first, then the unfinished", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		hold, quick := meet.Submit(ctx, ex, m.place("hold", 1)), echo.Submit(ctx, ex, 2)
		<-quick.Done()
		ended, cancel := context.WithCancel(ctx)
		cancel()
		var order []intFuture
		for f := range futures.AsCompleted(ended, hold, quick) {
			order = append(order, f)
		}
		if !slices.Equal(order, []intFuture{quick, hold}) {
			t.Errorf("got %v", order)
		}
		if _, err := hold.Result(ended); !errors.As(err, new(*futures.WaitError)) {
			t.Errorf("got %v", err)
		}
		m.release("hold")
	})
	s.each(t, "AC-03 duplicates once", 2, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		f, n := echo.Submit(ctx, ex, 1), 0
		for range futures.AsCompleted(ctx, f, f, f) {
			n++
		}
		want(t, "times", n, 1)
	})
	s.each(t, "AC-05 the error counts", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		quick := echo.Submit(ctx, ex, 1)
		<-quick.Done()
		fs := []intFuture{quick, meet.Submit(ctx, ex, m.place("a", 1)), meet.Submit(ctx, ex, m.place("b", 1))}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := futures.Gather(ended, fs...)
		wait, _ := errors.AsType[*futures.WaitError](err)
		if wait == nil || wait.Unfinished != 2 || wait.Total != 3 {
			t.Errorf("got %#v", err)
		}
		m.release("a", "b")
	})
	s.each(t, "AC-06 in the order of completion", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		fs := []intFuture{meet.Submit(ctx, ex, m.place("0", 0)), meet.Submit(ctx, ex, m.place("1", 1)), meet.Submit(ctx, ex, m.place("2", 2))}
		order := []string{"1", "2", "0"}
		m.release(order[0])
		i := 0
		for f := range futures.AsCompleted(ctx, fs...) {
			v, err := f.Result(ctx)
			if err != nil || order[i] != string(rune('0'+v)) {
				t.Errorf("%d: %v, %v", i, v, err)
			}
			if i++; i < 3 {
				m.release(order[i])
			}
		}
	})
	s.each(t, "AC-07 also those done before the call", 3, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		fs := []intFuture{meet.Submit(ctx, ex, m.place("0", 0)), meet.Submit(ctx, ex, m.place("1", 1)), meet.Submit(ctx, ex, m.place("2", 2))}
		for _, i := range []int{2, 0, 1} {
			m.release(string(rune('0' + i)))
			<-fs[i].Done()
		}
		var order []int
		for f := range futures.AsCompleted(ctx, fs...) {
			v, _ := f.Result(ctx)
			order = append(order, v)
		}
		if !slices.Equal(order, []int{2, 0, 1}) {
			t.Errorf("got %v", order)
		}
	})
	s.each(t, "AC-08 one deadline for the whole iteration", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		within, cancel := context.WithCancel(ctx)
		fs := []intFuture{meet.Submit(ctx, ex, m.place("a", 1)), echo.Submit(ctx, ex, 1), echo.Submit(ctx, ex, 1)}
		m.await("a")
		n := 0
		cancel() // ends all that is left, not one step
		for f := range futures.AsCompleted(within, fs...) {
			n++
			if _, err := f.Result(within); !errors.As(err, new(*futures.WaitError)) {
				t.Errorf("got %v", err)
			}
		}
		want(t, "yielded", n, 3)
		m.release("a")
	})
	s.each(t, "AC-09 leaving early leaves nothing", 1, func(t *testing.T, ctx context.Context, ex futures.Executor) {
		m := newMeeting(t)
		quick, hold := echo.Submit(ctx, ex, 1), meet.Submit(ctx, ex, m.place("a", 1))
		for f := range futures.AsCompleted(ctx, quick, hold) {
			want(t, "first", f, quick)
			break
		}
		m.release("a")
		if v, err := hold.Result(ctx); v != 1 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
	})
}
