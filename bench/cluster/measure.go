package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// with opens a client for a measurement, and closes it.
func (a adapter) with(ctx context.Context, s site, measure func(c client) ([]float64, error)) ([]float64, error) {
	c, err := a.open(ctx, s)
	if err != nil {
		return nil, err
	}
	values, err := measure(c)
	return values, errors.Join(err, c.close())
}

// A round is what became of a closed loop.
type round struct {
	rate  float64   // tasks a second
	times []float64 // us from submitting a task to its result, sorted
}

func allOfIt(r round) []float64 {
	return []float64{r.rate, harness.Quantile(r.times, 0.5), harness.Quantile(r.times, 0.99)}
}
func medianOnly(r round) []float64 { return []float64{harness.Quantile(r.times, 0.5)} }
func rateOnly(r round) []float64   { return []float64{r.rate} }

// loop measures a closed loop at a site and tells of it what is asked.
func (a adapter) loop(s site, tell func(round) []float64) harness.Run {
	return func(ctx context.Context, p harness.Params) ([]float64, error) {
		return a.with(ctx, s, func(c client) ([]float64, error) {
			// The first ones make connections, and a system that looks at how long a
			// function takes knows it then.
			if _, err := closedLoop(ctx, c, p, p.Time/2); err != nil {
				return nil, err
			}
			r, err := closedLoop(ctx, c, p, p.Time)
			return tell(r), err
		})
	}
}

// closedLoop keeps so many tasks in flight for d; each of their callers has one or more.
func closedLoop(ctx context.Context, c client, p harness.Params, d time.Duration) (round, error) {
	var over atomic.Bool
	times, errs := make([][]float64, p.InFlight), make([]error, p.InFlight)
	var wg sync.WaitGroup
	began := time.Now()
	for g := range p.InFlight {
		wg.Go(func() {
			payload := pattern(p.Payload)
			for n := 0; n == 0 || !over.Load(); n++ {
				number(payload, g, n)
				start := time.Now()
				err := echo(ctx, c, payload)
				times[g] = append(times[g], float64(time.Since(start))/float64(time.Microsecond))
				if err != nil {
					errs[g] = err
					return
				}
			}
		})
	}
	time.Sleep(d)
	over.Store(true)
	wg.Wait()
	took := time.Since(began)
	all := slices.Concat(times...)
	slices.Sort(all)
	return round{float64(len(all)) / took.Seconds(), all}, errors.Join(errs...)
}

// echo has a task run and checks its result.
func echo(ctx context.Context, c client, payload []byte) error {
	f, err := c.submit(ctx, taskEcho, payload)
	if err != nil {
		return err
	}
	return echoed(ctx, f, payload)
}

// echoed waits for the result of an echo and checks it.
func echoed(ctx context.Context, f future, payload []byte) error {
	b, err := f.Result(ctx)
	if err == nil && !bytes.Equal(b, payload) {
		err = fmt.Errorf("an echo of something else: %d bytes for %d", len(b), len(payload))
	}
	return err
}

// pattern returns n bytes, 64 or more, that are not all the same.
func pattern(n int) []byte {
	b := make([]byte, max(n, small))
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

// number makes a payload that of a task: no other one has it.
func number(payload []byte, caller, n int) {
	binary.LittleEndian.PutUint64(payload, uint64(caller))
	binary.LittleEndian.PutUint64(payload[8:], uint64(n))
}

// queuers is how many goroutines fill the queue.
const queuers = 64

// queuedMemory measures the live bytes of a task that waits on the server.
func (a adapter) queuedMemory(ctx context.Context, p harness.Params) ([]float64, error) {
	s := site{place: threeProcesses, queue: p.Tasks + queuers, empty: true}
	return a.with(ctx, s, func(c client) ([]float64, error) {
		// What a worker would have done is not known yet, but connections are made.
		futures := make([]future, p.Tasks)
		errs := make([]error, queuers)
		before := liveBytes()
		var wg sync.WaitGroup
		for g := range queuers {
			wg.Go(func() {
				for i := g; i < len(futures) && errs[g] == nil; i += queuers {
					payload := pattern(small) // the client may keep it
					number(payload, 0, i)
					futures[i], errs[g] = c.submit(ctx, taskEcho, payload)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(append(errs, c.flush(ctx))...); err != nil {
			return nil, err
		}
		bytes := max(0, float64(liveBytes())-float64(before)) / float64(p.Tasks)
		if _, err := c.(staffed).addWorker(0); err != nil {
			return nil, err
		}
		payload := pattern(small)
		for i, f := range futures {
			number(payload, 0, i)
			if err := echoed(ctx, f, payload); err != nil {
				return nil, fmt.Errorf("task %d: %w", i, err)
			}
		}
		return []float64{bytes}, nil
	})
}

// liveBytes returns the memory of what is reachable, stacks included.
func liveBytes() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one has only made finalizable
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}
