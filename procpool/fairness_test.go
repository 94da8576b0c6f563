package procpool_test

import (
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// TestShortBehindLong: PP5: short tasks are done while a long one keeps a worker, also if
// they were submitted before anybody knew that it is long.
func TestShortBehindLong(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.KillGrace = 2, time.Millisecond
		p := open(t, o)
		ctx := t.Context()
		for range 10 {
			long := ruin.Submit(ctx, p, "busy loop")
			var short []futures.Handle
			for n := range 200 {
				short = append(short, double.Submit(ctx, p, n))
			}
			if _, pending, err := futures.Wait(ctx, futures.AllCompleted, short...); len(pending) > 0 || err != nil {
				t.Fatalf("PP5: %d pending, %v", len(pending), err)
			}
			if long.State() != futures.Running {
				t.Fatalf("the long task is %v", long.State())
			}
			long.Cancel()
		}
	})
}

// TestKillHitsOneTask: PP3: while tasks are killed one after another, for their timeout or
// because they were cancelled, none of the many short ones between them is.
func TestKillHitsOneTask(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.KillGrace = 2, time.Millisecond
		p := open(t, o)
		ctx := t.Context()
		for i := range 15 {
			var short []*futures.Future[int]
			var long *futures.Future[string]
			for n := range 300 {
				if n == 150 && i%2 == 0 {
					long = ruin.Submit(ctx, p, "busy loop", futures.Timeout(time.Millisecond))
				} else if n == 150 {
					long = ruin.Submit(ctx, p, "busy loop")
				}
				short = append(short, double.Submit(ctx, p, n))
			}
			if i%2 == 1 {
				long.Cancel()
			}
			if _, err := futures.Gather(ctx, short...); err != nil {
				t.Errorf("PP3: %v", err)
			}
			if _, err := long.Result(ctx); err == nil {
				t.Error("the long task has succeeded")
			}
		}
	})
}
