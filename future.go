package futures

import (
	"context"
	"fmt"
	"reflect"
)

// Future is the outcome of a task, now or later. All methods may be called from
// any goroutine at any time. A Future is made by Submit, Func.Submit or
// NewPromise; it must not be copied.
type Future[T any] struct {
	task Task

	// fn is the function of a closure task. It is dropped when the task will not
	// run again, so that a future that is kept does not keep what its function
	// refers to.
	fn func(context.Context) (T, error)

	// value is staged by the worker and valid when the future is done (F2).
	value T

	cold taskRest
}

// Handle is what a future offers whatever its type: for mixed sets in Wait and
// AsCompleted. Only *Future implements it.
type Handle interface {
	State() State
	Done() <-chan struct{}
	Err() error
	Cancel() bool
	String() string

	base() *Task
}

var _ Handle = (*Future[int])(nil)

// TaskOf returns the task of a future, for executors: what they know of it is in its Host.
func TaskOf(h Handle) *Task { return h.base() }

// Result waits until the future is done and returns its value or its error; with
// an error the value is the zero value. If ctx ends first the error is a
// *WaitError, and the future is untouched.
//
// Called by a task with the task's own context, Result gives the worker's slot
// back while it waits.
func (f *Future[T]) Result(ctx context.Context) (T, error) {
	if !f.task.resolved() {
		if err := f.task.await(ctx); err != nil {
			var zero T
			return zero, err
		}
	}
	return f.outcome()
}

// TryResult returns the value and error of a future that is done, and whether it
// is.
func (f *Future[T]) TryResult() (value T, err error, done bool) {
	if !f.task.resolved() {
		return value, nil, false
	}
	value, err = f.outcome()
	return value, err, true
}

func (f *Future[T]) outcome() (T, error) {
	err := f.task.Err()
	if err != nil {
		f.task.observe()
	}
	return f.value, err
}

// Done returns a channel that is closed when the future is done, for select.
func (f *Future[T]) Done() <-chan struct{} { return f.task.doneChan() }

// State returns where the future stands.
func (f *Future[T]) State() State { return f.task.State() }

// Err returns the error of a future that is done, and nil before that and after
// success. It does not wait.
func (f *Future[T]) Err() error {
	if !f.task.resolved() {
		return nil
	}
	_, err := f.outcome()
	return err
}

// Cancel stops the task with all that its executor can do. It returns true if
// the task will never run (again) because of it or of an earlier Cancel. If the
// task is running, its context ends with the cause ErrCancelled and Cancel
// returns false: what becomes of it is up to the function, and in a worker
// process, to the grace period. A function that then returns its context's error
// leaves the future Cancelled.
func (f *Future[T]) Cancel() bool { return f.task.Cancel() }

// OnDone calls fn once the future is done: on the goroutine that resolves it,
// after those who wait have been released, in the order of the calls to OnDone;
// or at once, if the future is done already. A callback that panics is logged
// and stops nothing. While callbacks of a task run they keep its worker.
// OnDone panics if fn is nil.
func (f *Future[T]) OnDone(fn func(*Future[T])) {
	if fn == nil {
		panic("futures.OnDone: nil function")
	}
	f.task.onDone(func() {
		f.task.observe()
		fn(f)
	})
}

// String shows the state and, when the future is done, the type of its value or
// of its error.
func (f *Future[T]) String() string {
	switch state := f.task.State(); state {
	case Succeeded:
		return fmt.Sprintf("future [succeeded: %v]", reflect.TypeFor[T]())
	case Failed:
		return fmt.Sprintf("future [failed: %T]", f.cold.err)
	default:
		return fmt.Sprintf("future [%v]", state)
	}
}

func (f *Future[T]) base() *Task { return &f.task }

// The methods of typed.

func (f *Future[T]) rest() *taskRest { return &f.cold }
func (f *Future[T]) handle() Handle  { return f }
func (f *Future[T]) input() any      { return nil }
func (f *Future[T]) output() any     { return &f.value }

func (f *Future[T]) definition() *Definition { return nil }
func (f *Future[T]) batch() Batch            { return nil }

func (f *Future[T]) key() FunctionKey {
	return FunctionKey{Entry: f.cold.entry}
}

func (f *Future[T]) invoke(ctx context.Context) (err error) {
	f.value, err = f.fn(ctx)
	if err == nil {
		f.fn = nil
	}
	return err
}

func (f *Future[T]) drop(keepValue bool) {
	f.fn = nil
	if !keepValue {
		var zero T
		f.value = zero
	}
}
