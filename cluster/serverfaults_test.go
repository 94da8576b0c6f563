package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// A load is tasks that are submitted all the time.
type load struct {
	t       *testing.T
	pool    *Pool
	file    string
	next    atomic.Int64 // number of the next task
	done    atomic.Int64 // when a task ended last, in ns since the Unix epoch
	stall   atomic.Int64 // the longest time between two ends, in ns
	callers sync.WaitGroup
	stop    context.CancelFunc
	resting sync.RWMutex // read by each caller while it has a task
}

// loaded starts so many callers, each of which submits tasks and waits for them: short ones of a
// chunk, and now and then one that takes some milliseconds. All that they get must be right.
func loaded(t *testing.T, p *Pool, callers int, options ...futures.Option) *load {
	in := patient(t)
	ctx, stop := context.WithCancel(in)
	l := &load{t: t, pool: p, file: newNotes(t), stop: stop}
	mayLose := len(options) > 0 // a worker, and so end with a CrashError
	for range callers {
		l.callers.Go(func() {
			one := func() {
				l.resting.RLock()
				defer l.resting.RUnlock()
				n := int(l.next.Add(1)) - 1
				var work time.Duration
				if rand.IntN(20) == 0 {
					work = time.Duration(rand.IntN(5)) * time.Millisecond
				}
				f := note.Submit(in, p, noting{l.file, n, work}, options...)
				v, err := f.Result(in)
				if crash, lost := errors.AsType[*futures.CrashError](err); mayLose && lost && crash.PID == 0 {
					return
				}
				l.ended()
				if v != noted(n) || err != nil {
					t.Errorf("task %d: %v, %v", n, v, err)
				}
			}
			for ctx.Err() == nil {
				one()
			}
		})
	}
	t.Cleanup(func() { stop(); l.callers.Wait() })
	return l
}

// rest calls do while no caller has a task.
func (l *load) rest(do func()) {
	l.resting.Lock()
	defer l.resting.Unlock()
	do()
	l.done.Store(0) // that nothing ended meanwhile was meant
}

// ended notes that a task has ended.
func (l *load) ended() {
	now := time.Now().UnixNano()
	if last := l.done.Swap(now); last != 0 {
		for longest := l.stall.Load(); now-last > longest && !l.stall.CompareAndSwap(longest, now-last); {
			longest = l.stall.Load()
		}
	}
}

// goesOn waits until so many more tasks were done by each of the callers, on average.
func (l *load) goesOn(tasks int64) {
	l.t.Helper()
	want := l.next.Load() + tasks
	gone := false
	defer func() {
		if !gone {
			logState(l.t, l.pool)
		}
	}()
	eventually(l.t, fmt.Sprintf("%d more tasks", tasks), func() bool { return l.next.Load() >= want })
	gone = true
}

// end ends the callers, and returns what became of all tasks.
func (l *load) end() []runsOf {
	l.t.Helper()
	l.stop()
	l.callers.Wait()
	l.t.Logf("the longest time between the ends of two tasks: %v", time.Duration(l.stall.Load()).Round(time.Millisecond))
	return readNotes(l.t, l.file, int(l.next.Load()))
}

// eventually waits for a state for as long as faults may take.
func eventually(t testing.TB, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(faultPatience); !there(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s for %v", what, faultPatience)
		}
	}
}

// again counts the tasks that ran more than once, and reports those that did not run.
func runAgain(t *testing.T, all []runsOf) (again int) {
	t.Helper()
	for n, r := range all {
		if r.ended == 0 {
			t.Errorf("task %d has begun %d times, and never ended", n, r.begun)
		}
		again += max(0, r.begun-1)
	}
	return again
}

// TestServerKilled: a server that is killed and started again on its files has lost nothing that
// it had acknowledged. Client and workers go on by themselves, and all futures resolve (CL2).
func TestServerKilled(t *testing.T) {
	t.Parallel()
	for _, disk := range []bool{false, true} {
		t.Run(map[bool]string{false: "process", true: "disk"}[disk], func(t *testing.T) {
			t.Parallel()
			ctx, m := patient(t), newMeeting(t)
			s := playServerProcess(t, part{Disk: disk})
			p := client(t, Options{Connection: Connection{URL: s.url()}})
			for range 2 {
				play(t, "faults.worker", part{URL: s.url(), Workers: 3, Lease: 3 * shortLease})
			}
			held := meet.Submit(ctx, p, m.at("held"))
			visit := m.await("held")
			idle := Options{Connection: Connection{URL: s.url()}, QueueName: "idle"}
			waiting := client(t, idle)
			var acknowledged []*futures.Future[int]
			for n := range 100 {
				acknowledged = append(acknowledged, twice.Submit(ctx, waiting, n))
			}
			if err := waiting.Flush(ctx); err != nil {
				t.Fatal(err)
			}
			var later *futures.Future[int]
			if !disk { // once is enough: a server that has been restarted is some 10 s late with these
				later = twice.Submit(ctx, waiting, 1000, futures.Delay(time.Second))
				if _, err := waiting.ID(ctx, later); err != nil {
					t.Fatal(err)
				}
			}

			l := loaded(t, p, 20)
			for range 3 {
				l.goesOn(200)
				time.Sleep(rand.N(20 * time.Millisecond)) // the moment is any
				s.kill()
				s.start(t)
			}
			l.goesOn(200)
			all := l.end()
			t.Logf("%d tasks, %d second runs", len(all), runAgain(t, all))
			t.Logf("what was running was begun %d times more", m.again("held"))
			visit.leave("still there")
			if v, err := held.Result(ctx); v != "still there" || err != nil {
				t.Errorf("what was running: %q, %v", v, err)
			}
			play(t, "faults.worker", part{URL: s.url(), Queue: "idle", Workers: 1})
			for n, f := range acknowledged {
				if v, err := f.Result(ctx); v != 2*n || err != nil {
					t.Errorf("acknowledged before: %d: %v, %v", n, v, err)
				}
			}
			if later != nil {
				if v, err := later.Result(ctx); v != 2000 || err != nil {
					t.Errorf("delayed: %v, %v", v, err)
				}
			}
			if letters := lettersOf(t, p); len(letters) != 0 {
				t.Errorf("dead letters: %v", letters)
			}
		})
	}
}

// TestServerKilledAtMostOnce: a task that may lose no worker does not run twice, also if the
// server that is killed forgets that it was delivered (CL3).
func TestServerKilledAtMostOnce(t *testing.T) {
	t.Parallel()
	s := playServerProcess(t, part{})
	p := client(t, Options{Connection: Connection{URL: s.url()}})
	for range 2 {
		play(t, "faults.worker", part{URL: s.url(), Workers: 3, Lease: 2 * shortLease})
	}
	l := loaded(t, p, 20, futures.Retry(futures.RetryPolicy{}))
	for range 3 {
		l.goesOn(100)
		time.Sleep(rand.N(20 * time.Millisecond)) // the moment is any
		s.kill()
		s.start(t)
	}
	l.goesOn(100)
	for n, r := range l.end() {
		if r.begun > 1 {
			t.Errorf("task %d has begun %d times", n, r.begun)
		}
	}
}
