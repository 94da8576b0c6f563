package processes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// The measurements of peers in Go; those of peers in Python are in
// python/questions.py, one by one the same.

// opened returns workers that are there and have worked.
func (a adapter) opened(n, queue int) (workers, error) {
	w, err := a.open(n, queue)
	if err != nil {
		return nil, err
	}
	errs := make([]error, 64)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = oneCall(w, int64(i)) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// with opens workers for a measurement, and closes them.
func (a adapter) with(n, queue int, measure func(w workers) ([]float64, error)) ([]float64, error) {
	w, err := a.opened(n, queue)
	if err != nil {
		return nil, err
	}
	values, err := measure(w)
	return values, errors.Join(err, w.close())
}

// oneCall has a task run and checks its result.
func oneCall(w workers, n int64) error {
	got, err := w.number(nameFollowing, n)
	return checked(got, n+1, err)
}

// checked returns err, or an error if a result is wrong.
func checked(got, want int64, err error) error {
	if err == nil && got != want {
		err = fmt.Errorf("got %d, not %d", got, want)
	}
	return err
}

// times calls one again and again for about d, at least so often, and returns how
// long each call took, sorted, in units.
func times(d time.Duration, least int, unit time.Duration, one func(i int) error) ([]float64, error) {
	var all []float64
	for began := time.Now(); len(all) < least || time.Since(began) < d; {
		start := time.Now()
		err := one(len(all))
		all = append(all, float64(time.Since(start))/float64(unit))
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return all, nil
}

// perSecond lets n goroutines call one again and again for about d, and returns how
// many calls there were in a second.
func perSecond(d time.Duration, n int, one func(g, i int) error) (float64, error) {
	return together(d, n, func(g int, over *atomic.Bool) (calls int, err error) {
		for ; err == nil && (calls == 0 || !over.Load()); calls++ {
			err = one(g, calls)
		}
		return calls, err
	})
}

// together lets n goroutines work until over, which is after d, and returns how much
// they have done in a second.
func together(d time.Duration, n int, work func(g int, over *atomic.Bool) (done int, err error)) (float64, error) {
	var over atomic.Bool
	counts, errs := make([]int, n), make([]error, n)
	var wg sync.WaitGroup
	began := time.Now()
	for g := range n {
		wg.Go(func() { counts[g], errs[g] = work(g, &over) })
	}
	time.Sleep(d)
	over.Store(true)
	wg.Wait()
	took := time.Since(began)
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / took.Seconds(), errors.Join(errs...)
}

func (a adapter) roundTrip(_ context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		call := func(i int) error { return oneCall(w, int64(i)) }
		if _, err := times(p.Time/4, 50, time.Microsecond, call); err != nil {
			return nil, err
		}
		all, err := times(p.Time, 50, time.Microsecond, call)
		if err != nil {
			return nil, err
		}
		return []float64{harness.Quantile(all, 0.5), harness.Quantile(all, 0.99)}, nil
	})
}

func (a adapter) calls(_ context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		rate, err := perSecond(p.Time, p.Submitters, func(_, i int) error { return oneCall(w, int64(i)) })
		return []float64{rate}, err
	})
}

// submitters is how many goroutines share the tasks that are in flight, if the peer
// has futures. One in Python has a single one: threads would only be in each
// other's way.
const submitters = 4

func (a adapter) pipelined(ctx context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		pipe, can := w.(pipeliner)
		if !can {
			rate, err := perSecond(p.Time, p.InFlight, func(_, i int) error { return oneCall(w, int64(i)) })
			return []float64{rate}, err
		}
		rate, err := together(p.Time, submitters, func(_ int, over *atomic.Bool) (done int, err error) {
			window := make([]future, p.InFlight/submitters)
			started := 0
			settle := func() {
				got, failed := window[done%len(window)].Result(ctx)
				err = checked(got, int64(done)+1, failed)
				done++
			}
			for ; err == nil && (started < len(window) || !over.Load()); started++ {
				if started >= len(window) {
					settle()
				}
				window[started%len(window)] = pipe.start(int64(started))
			}
			for err == nil && done < started {
				settle()
			}
			return done, err
		})
		return []float64{rate}, err
	})
}

func (a adapter) echoes(_ context.Context, p harness.Params) ([]float64, error) {
	payload := pattern(p.Payload)
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		rate, err := perSecond(p.Time, p.InFlight, func(_, i int) error {
			b, err := w.echo(payload)
			if err == nil && (len(b) != len(payload) || i%16 == 0 && !bytes.Equal(b, payload)) {
				err = errors.New("an echo of something else")
			}
			return err
		})
		return []float64{rate}, err
	})
}

// pattern returns n bytes that are not all the same.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 7 >> 3)
	}
	return b
}

func (a adapter) argument(_ context.Context, p harness.Params) ([]float64, error) {
	payload := pattern(p.Payload)
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		call := func(int) error {
			n, err := w.bytes(nameLength, payload)
			return checked(n, int64(len(payload)), err)
		}
		if err := call(0); err != nil {
			return nil, err
		}
		all, err := times(p.Time, 1, time.Microsecond, call)
		if err != nil {
			return nil, err
		}
		return []float64{harness.Quantile(all, 0.5)}, nil
	})
}

func (a adapter) coldStart(_ context.Context, p harness.Params) ([]float64, error) {
	var all []float64
	for began := time.Now(); len(all) == 0 || time.Since(began) < p.Time; {
		start := time.Now()
		w, err := a.open(p.Workers, 0)
		if err != nil {
			return nil, err
		}
		err = oneCall(w, 1)
		all = append(all, float64(time.Since(start))/float64(time.Millisecond))
		if err := errors.Join(err, w.close()); err != nil {
			return nil, err
		}
	}
	slices.Sort(all)
	return []float64{harness.Quantile(all, 0.5)}, nil
}

func (a adapter) mapItem(_ context.Context, p harness.Params) ([]float64, error) {
	numbers := make([]int64, p.Tasks)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		m := w.(mapper)
		if _, err := m.mapAll(numbers[:1000]); err != nil {
			return nil, err
		}
		var all []float64
		for began := time.Now(); len(all) == 0 || time.Since(began) < p.Time; {
			start := time.Now()
			out, err := m.mapAll(numbers)
			all = append(all, float64(time.Since(start))/float64(p.Tasks))
			if err == nil && len(out) != len(numbers) {
				err = fmt.Errorf("%d items became %d", len(numbers), len(out))
			}
			for i := 0; i < len(out) && err == nil; i++ {
				err = checked(out[i], int64(i)+1, nil)
			}
			if err != nil {
				return nil, err
			}
		}
		slices.Sort(all)
		return []float64{harness.Quantile(all, 0.5)}, nil
	})
}

func (a adapter) sums(_ context.Context, p harness.Params) ([]float64, error) {
	n, want := int64(1000), int64(0)
	for one := time.Duration(0); one < p.Time/4; n *= 2 {
		start := time.Now()
		want = total(2 * n)
		one = time.Since(start)
	}
	const many = 8
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		var ratios []float64
		for len(ratios) == 0 || !p.Quick && len(ratios) < 3 {
			start := time.Now()
			for range many {
				if err := checked(total(n), want, nil); err != nil {
					return nil, err
				}
			}
			serial := time.Since(start)
			start = time.Now()
			errs := make([]error, many)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() {
					got, err := w.number(nameTotal, n)
					errs[i] = checked(got, want, err)
				})
			}
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				return nil, err
			}
			ratios = append(ratios, float64(serial)/float64(time.Since(start)))
		}
		slices.Sort(ratios)
		return []float64{harness.Quantile(ratios, 0.5)}, nil
	})
}

func (a adapter) queued(ctx context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, p.Tasks, func(w workers) ([]float64, error) {
		some := min(p.Tasks, 1000)
		took, err := allAtOnce(ctx, w.(pipeliner), some)
		if err != nil {
			return nil, err
		}
		if all := took * time.Duration(p.Tasks/some); all > longest {
			return nil, harness.Decline("%d tasks would take about %.0f s", p.Tasks, all.Seconds())
		}
		took, err = allAtOnce(ctx, w.(pipeliner), p.Tasks)
		return []float64{float64(took) / float64(time.Microsecond) / float64(p.Tasks)}, err
	})
}

// longest is how long a measurement may take.
const longest = 20 * time.Second

// allAtOnce submits all tasks before it reads the first result.
func allAtOnce(ctx context.Context, pipe pipeliner, tasks int) (time.Duration, error) {
	fs := make([]future, tasks)
	start := time.Now()
	for i := range fs {
		fs[i] = pipe.start(int64(i))
	}
	for i, f := range fs {
		got, err := f.Result(ctx)
		if err := checked(got, int64(i)+1, err); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func (a adapter) shortTask(_ context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		var over atomic.Bool
		long := make(chan error, 1)
		go func() {
			var err error
			for err == nil && !over.Load() {
				var got int64
				got, err = w.number(nameNap, 20)
				err = checked(got, 20, err)
			}
			long <- err
		}()
		var all []float64
		var err error
		for began := time.Now(); err == nil && (len(all) < 30 || time.Since(began) < p.Time); {
			time.Sleep(time.Millisecond)
			start := time.Now()
			err = oneCall(w, 1)
			all = append(all, float64(time.Since(start))/float64(time.Millisecond))
		}
		over.Store(true)
		if err := errors.Join(err, <-long); err != nil {
			return nil, err
		}
		slices.Sort(all)
		return []float64{harness.Quantile(all, 0.5), harness.Quantile(all, 0.99)}, nil
	})
}

// canceller is a future that can be cancelled.
type canceller interface{ Cancel() bool }

func (a adapter) cancel(ctx context.Context, p harness.Params) ([]float64, error) {
	return a.with(p.Workers, p.Tasks+1, func(w workers) ([]float64, error) {
		busy := w.(napper).startNap(200)
		pipe := w.(pipeliner)
		fs := make([]future, p.Tasks)
		for i := range fs {
			fs[i] = pipe.start(int64(i))
		}
		start := time.Now()
		cancelled := 0
		for _, f := range slices.Backward(fs) {
			if f.(canceller).Cancel() {
				cancelled++
			}
		}
		took := time.Since(start)
		done := 0
		for _, f := range fs {
			if _, err := f.Result(ctx); err == nil {
				done++
			}
		}
		// Some may be in the hands of a worker, beyond recall.
		if cancelled < p.Tasks-10 || cancelled+done != p.Tasks {
			return nil, fmt.Errorf("of %d tasks %d are cancelled and %d done", p.Tasks, cancelled, done)
		}
		got, err := busy.Result(ctx)
		if err := errors.Join(checked(got, 200, err), oneCall(w, 1)); err != nil {
			return nil, err
		}
		return []float64{float64(took) / float64(p.Tasks)}, nil
	})
}
