package executortest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"time"

	"github.com/futures-go/futures"
)

// The other tasks of the suite.

var echo = futures.Define("executortest.echo", func(_ context.Context, n int) (int, error) { return n, nil })

var square = futures.Define("executortest.square", func(_ context.Context, n int) (int, error) { return n * n, nil })

// nap sleeps for some milliseconds and returns them.
var nap = futures.Define("executortest.nap", func(ctx context.Context, ms int) (int, error) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return ms, nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
})

// refuse fails for negative numbers, with an error that names the number.
var refuse = futures.Define("executortest.refuse", func(_ context.Context, n int) (int, error) {
	if n < 0 {
		return 7, fmt.Errorf("refused %d: %w", n, fs.ErrInvalid)
	}
	return n, nil
})

// sum adds the numbers of a pair.
var sum = futures.Define("executortest.sum", func(_ context.Context, p futures.Pair[int, int]) (int, error) {
	return p.First + p.Second, nil
})

// misbehave ends as it is told.
var misbehave = futures.Define("executortest.misbehave", func(ctx context.Context, how string) (int, error) {
	switch how {
	case "panic":
		panic("misbehaved")
	case "panic with a number":
		panic(42)
	case "panic with nil":
		panic(nil) //nolint:govet // that is the point
	case "panic with an error":
		panic(fs.ErrExist)
	case "goexit":
		runtime.Goexit()
	case "typed nil":
		var err *typedNil
		return 0, err
	case "deadline of its own":
		return 0, fmt.Errorf("upstream: %w", context.DeadlineExceeded)
	case "until cancelled":
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case "late":
		<-ctx.Done()
		return 3, nil
	}
	return 0, errors.New("misbehave: " + how)
})

type typedNil struct{ text string }

func (e *typedNil) Error() string { return "typed nil: " + e.text } // panics for nil, as careless ones do
