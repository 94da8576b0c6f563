package futures

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// MapSlice calls fn for each element of inputs on ex and returns the values in
// the same order. The first failure cancels the rest and is returned once what
// is running has ended; so is, as a *WaitError, the end of ctx.
//
// It is the fastest way over a slice: each worker takes a stretch of it at a
// time, larger ones as calls prove to be short, and writes its results in place.
// With Timeout, Retry or Delay each element is a task of its own. MapSlice panics if
// ctx, ex or fn is nil.
func MapSlice[In, Out any](ctx context.Context, ex LocalExecutor, inputs []In, fn func(context.Context, In) (Out, error), opts ...Option) ([]Out, error) {
	const caller = "futures.MapSlice"
	if fn == nil {
		panic(caller + ": nil function")
	}
	f := &Func[In, Out]{fn: fn}
	m := newMapping(caller, ctx, ex, values(inputs), f, mapOptions(opts))
	out := make([]Out, len(inputs))
	if len(inputs) == 0 {
		return out, nil
	}
	if m.single {
		i := 0
		for value, err := range m.all {
			if err != nil {
				return nil, err
			}
			out[i] = value
			i++
		}
		return out, nil
	}
	s := &slicing[In, Out]{f: f, in: inputs, out: out, workers: min(m.workers, len(inputs))}
	return s.run(ctx, ex, opts)
}

// slicing is one MapSlice: a cursor over the slice that its workers share.
type slicing[In, Out any] struct {
	f       *Func[In, Out]
	in      []In
	out     []Out
	workers int
	next    atomic.Int64          // first element that no worker has taken
	failed  atomic.Pointer[error] // the first failure: take no more
}

func (s *slicing[In, Out]) run(ctx context.Context, ex LocalExecutor, opts []Option) ([]Out, error) {
	fs := make([]*Future[struct{}], s.workers)
	for i := range fs {
		f := &sliceFuture[In, Out]{s: s}
		f.task.typed = f
		f.task.submit("futures.MapSlice", ctx, ex, opts)
		fs[i] = &f.Future
	}
	_, err := Gather(ctx, fs...)
	if err == nil {
		return s.out, nil
	}
	for _, f := range fs {
		f.Cancel()
	}
	_, _, _ = Wait(context.WithoutCancel(ctx), AllCompleted, fs...) // it does not end before
	for _, f := range fs {
		f.task.observe() // one error tells of all
	}
	switch first := s.failed.Load(); {
	case ctx.Err() != nil:
		return nil, &WaitError{Cause: context.Cause(ctx), Unfinished: 1, Total: 1}
	case first != nil && err == errStopped:
		return nil, *first
	}
	return nil, err
}

// sliceFuture is the task of one worker of a MapSlice; it goes by the name of
// the user's function.
type sliceFuture[In, Out any] struct {
	Future[struct{}]
	s *slicing[In, Out]
}

func (f *sliceFuture[In, Out]) key() FunctionKey {
	return FunctionKey{Entry: entryOf(f.s.f.fn)}
}

func (f *sliceFuture[In, Out]) invoke(ctx context.Context) error {
	err := f.s.work(ctx)
	if err != nil {
		f.s.failed.CompareAndSwap(nil, &err)
	}
	return err
}

// work takes stretch after stretch until the slice is used up.
func (s *slicing[In, Out]) work(ctx context.Context) error {
	n := int64(len(s.in))
	stretch := int64(1)
	for s.failed.Load() == nil {
		// Never more than a fair share of what is left, so that the workers end
		// together.
		fair := (n - s.next.Load()) / int64(2*s.workers)
		take := max(1, min(stretch, fair))
		to := s.next.Add(take)
		from := to - take
		if from >= n {
			return nil
		}
		to = min(to, n)
		began := time.Now()
		if err := s.stretch(ctx, int(from), int(to)); err != nil {
			return err
		}
		switch took := time.Since(began); {
		case took < chunkShort:
			stretch *= 2
		case took > chunkLong:
			stretch = max(1, stretch/2)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errStopped
}

// errStopped is what a worker returns that stopped because another one failed.
var errStopped = errors.New("futures: stopped by the failure of another element")

func (s *slicing[In, Out]) stretch(ctx context.Context, from, to int) (err error) {
	in, out, fn := s.in[from:to], s.out[from:to], s.f.fn
	out = out[:len(in)]
	for i := range in {
		if out[i], err = fn(ctx, in[i]); err != nil {
			return err
		}
	}
	return nil
}

func values[T any](s []T) func(func(T) bool) {
	return func(yield func(T) bool) {
		for _, v := range s {
			if !yield(v) {
				return
			}
		}
	}
}

func mapOptions(opts []Option) []MapOption {
	all := make([]MapOption, len(opts))
	for i, o := range opts {
		all[i] = o
	}
	return all
}
