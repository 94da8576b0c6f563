package futures_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// custom is an error type of a user's that wraps another error. As a typed nil it
// panics whatever is asked of it.
type custom struct{ err error }

func (c *custom) Error() string        { return "custom: " + c.err.Error() }
func (c *custom) Unwrap() error        { return c.err }
func (c *custom) Is(target error) bool { return c.err == target }

// aWaitError returns what a wait gives whose context has ended.
func aWaitError(t *testing.T) error {
	_, err := futures.NewPromise[int]().Future().Result(endedContext())
	if !errors.As(err, new(*futures.WaitError)) {
		t.Fatalf("got %v", err)
	}
	return err
}

// TestTypedNil: an error that is a nil pointer fails the task like any other,
// also if its methods do not bear it.
func TestTypedNil(t *testing.T) {
	var path *fs.PathError
	var ours *custom
	for name, err := range map[string]error{"fs.PathError": path, "custom": ours} {
		t.Run(name, func(t *testing.T) {
			x := new(inline)
			f := futures.Submit(context.Background(), x, func(context.Context) (int, error) { return 1, err })
			if x.crashed != nil {
				t.Errorf("the worker panics: %v", x.crashed)
			}
			if v, got, done := f.TryResult(); v != 0 || got != err || !done || f.State() != futures.Failed {
				t.Errorf("%v: %v, %v", f, v, done)
			}
		})
	}
}

// TestRetryIf: RetryPolicy.If is user code of the task and may end like it.
func TestRetryIf(t *testing.T) {
	for name, decide := range map[string]func(error) bool{
		"panics":       func(error) bool { panic("undecided") },
		"calls Goexit": func(error) bool { runtime.Goexit(); return true },
	} {
		t.Run(name, func(t *testing.T) {
			x := new(inline)
			f := futures.Submit(context.Background(), x, func(context.Context) (int, error) { return 0, fs.ErrExist },
				futures.Retry(futures.RetryPolicy{Max: 1, If: decide}))
			if x.crashed != nil {
				t.Errorf("the worker panics: %v", x.crashed)
			}
			if f.State() != futures.Failed || f.Err() == nil {
				t.Errorf("%v: %v", f, f.Err())
			}
		})
	}
}

// TestNestedWaitError: finding a *WaitError always means that the caller's own
// wait ended, whatever a task makes of the one that it got. Everything else about
// the task's error stays as it was.
func TestNestedWaitError(t *testing.T) {
	nested := aWaitError(t)
	for name, task := range map[string]func(context.Context) (int, error){
		"returned": func(context.Context) (int, error) { return 0, nested },
		"wrapped":  func(context.Context) (int, error) { return 0, fmt.Errorf("upstream: %w", nested) },
		"joined":   func(context.Context) (int, error) { return 0, errors.Join(errOurs, nested) },
		"joined with a panic": func(context.Context) (int, error) {
			return 0, errors.Join(errOurs, &futures.PanicError{Value: "theirs"}, nested)
		},
		"in a custom error":       func(context.Context) (int, error) { return 0, &custom{nested} },
		"panicked with":           func(context.Context) (int, error) { panic(nested) },
		"panicked with a wrapper": func(context.Context) (int, error) { panic(&custom{nested}) },
	} {
		t.Run(name, func(t *testing.T) {
			f := futures.Submit(context.Background(), new(inline), task)
			err := f.Err()
			if errors.As(err, new(*futures.WaitError)) {
				t.Errorf("%T is a *WaitError", err)
			}
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), nested.Error()) {
				t.Errorf("%v lost something", err)
			}
			if strings.Contains(name, "custom") && !errors.As(err, new(*custom)) {
				t.Errorf("%T is no *custom any more", err)
			}
			if strings.Contains(name, "joined") && !errors.Is(err, errOurs) {
				t.Errorf("%v is not errOurs any more", err)
			}
			if strings.Contains(name, "panicked") && !errors.As(err, new(*futures.PanicError)) {
				t.Errorf("%T is no *PanicError", err)
			}
		})
	}
	t.Run("a promise too", func(t *testing.T) {
		p := futures.NewPromise[int]()
		p.Resolve(0, &custom{nested})
		if err := p.Future().Err(); errors.As(err, new(*futures.WaitError)) || !errors.As(err, new(*custom)) {
			t.Errorf("%T", err)
		}
	})
	t.Run("a cycle can still be found", func(t *testing.T) {
		f := futures.Submit(context.Background(), new(inline), func(context.Context) (int, error) {
			return 0, &futures.WaitError{Cause: &futures.CycleError{Tasks: []string{"a"}}}
		})
		if err := f.Err(); errors.As(err, new(*futures.WaitError)) || !errors.As(err, new(*futures.CycleError)) {
			t.Errorf("%T %v", err, err)
		}
	})
}

// TestPanicErrors: what a *PanicError tells.
func TestPanicErrors(t *testing.T) {
	type point struct{ X, Y int }
	for _, value := range []any{"text", 42, point{1, 2}, errOurs, nil} {
		f := futures.Submit(context.Background(), new(inline), func(context.Context) (int, error) { panic(value) })
		p, ok := errors.AsType[*futures.PanicError](f.Err())
		if !ok || p.Goexit || !strings.Contains(string(p.Stack), "TestPanicErrors") {
			t.Fatalf("panic(%v): %v", value, f.Err())
		}
		if value == nil {
			if _, ok := p.Value.(*runtime.PanicNilError); !ok {
				t.Errorf("panic(nil) has the value %v", p.Value)
			}
		} else if p.Value != value || !strings.Contains(p.Error(), fmt.Sprint(value)) {
			t.Errorf("panic(%v): value %v, text %v", value, p.Value, p)
		}
		if errors.Is(p, errOurs) != (value == errOurs) {
			t.Errorf("panic(%v) unwraps to %v", value, p.Unwrap())
		}
		if text := fmt.Sprintf("%+v", p); !strings.Contains(text, "TestPanicErrors") || strings.Contains(fmt.Sprintf("%v", p), "goroutine") {
			t.Errorf("%%+v is %s", text)
		}
	}
	f := futures.Submit(context.Background(), new(inline), func(context.Context) (int, error) { runtime.Goexit(); return 1, nil })
	if p, ok := errors.AsType[*futures.PanicError](f.Err()); !ok || !p.Goexit || p.Value != nil || f.State() != futures.Failed {
		t.Errorf("Goexit: %v, %v", f, f.Err())
	}
}

// TestWaitErrorCounts: each future counts once.
func TestWaitErrorCounts(t *testing.T) {
	pending, done := futures.NewPromise[int]().Future(), futures.NewPromise[int]()
	done.Resolve(1, nil)
	set := []*futures.Future[int]{pending, done.Future(), pending, done.Future(), pending}
	counts := func(what string, err error, unfinished, total int) {
		t.Helper()
		if w, ok := errors.AsType[*futures.WaitError](err); !ok || w.Unfinished != unfinished || w.Total != total || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %+v, want %d of %d", what, err, unfinished, total)
		}
	}
	_, err := pending.Result(endedContext())
	counts("Result", err, 1, 1)
	_, _, err = futures.Wait(endedContext(), futures.AllCompleted, set...)
	counts("Wait", err, 1, 2)
	_, _, err = futures.Wait(endedContext(), futures.FirstCompleted, pending, pending)
	counts("Wait for the first", err, 1, 1)
	_, err = futures.Gather(endedContext(), set...)
	counts("Gather", err, 1, 2)
}

// uncomparable is an error like those of libraries that return lists.
type uncomparable []error

func (u uncomparable) Error() string { return fmt.Sprint([]error(u)) }

// TestUncomparableCause: a context may end with any cause, also while Submit waits
// for room.
func TestUncomparableCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: 1})
		leave := make(chan struct{})
		hold := func(context.Context) (int, error) { <-leave; return 1, nil }
		futures.Submit(t.Context(), pool, hold)
		synctest.Wait()
		futures.Submit(t.Context(), pool, hold)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			defer func() {
				if v := recover(); v != nil {
					t.Errorf("Submit panics: %v", v)
				}
			}()
			f := futures.Submit(ctx, pool, one)
			if f.State() != futures.Cancelled || !errors.As(f.Err(), new(uncomparable)) {
				t.Errorf("%v: %v", f, f.Err())
			}
		}()
		synctest.Wait()
		cancel(uncomparable{errOurs})
		synctest.Wait()
		close(leave)
		pool.Close()
	})
}

// TestMisuseOfGather: the panic names the function that was called.
func TestMisuseOfGather(t *testing.T) {
	defer func() {
		if text, _ := recover().(string); text != "futures.Gather: nil future" {
			t.Errorf("panic says %q", text)
		}
	}()
	futures.Gather[int](context.Background(), nil)
}
