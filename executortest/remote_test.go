package executortest_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/executortest"
	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/internal/taskqueue"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// TestRemote runs the suite on an executor whose workers are given nothing but
// names and bytes, as in another process: so neither the suite nor the contract
// between tasks and executors relies on shared memory.
func TestRemote(t *testing.T) {
	executortest.Run(t, executortest.Config{
		Rejects:    true,
		Priorities: true,
		New: func(_ testing.TB, o executortest.Options) futures.Executor {
			return newRemote(max(1, o.Workers), max(1, o.Queue), o.RejectWhenFull)
		},
	})
}

// remote is an executor whose workers know functions by name, and their arguments,
// values and errors as bytes.
type remote struct {
	size   int
	queue  *taskqueue.Queue
	wake   chan struct{} // capacity 1: look at the queue
	ending chan struct{} // closed by the first Close or Shutdown
	ended  chan struct{} // closed when the workers are gone
	end    func()

	mu      sync.Mutex
	tasks   map[*futures.Task][]byte // accepted and not over, with their arguments
	running map[*futures.Task]context.CancelCauseFunc
}

func newRemote(workers, queue int, reject bool) *remote {
	r := &remote{
		size:    workers,
		wake:    make(chan struct{}, 1),
		ending:  make(chan struct{}),
		ended:   make(chan struct{}),
		tasks:   make(map[*futures.Task][]byte),
		running: make(map[*futures.Task]context.CancelCauseFunc),
	}
	r.end = sync.OnceFunc(func() {
		r.queue.Refuse(futures.ErrClosed)
		close(r.ending)
	})
	r.queue = taskqueue.New(queue, reject, r.look)
	go r.dispatch()
	return r
}

// look makes the dispatcher look at the queue.
func (r *remote) look() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// dispatch gives tasks to workers while there are slots, until the executor has
// been closed and no task is left.
func (r *remote) dispatch() {
	defer close(r.ended)
	var popper taskqueue.Popper
	var workers sync.WaitGroup
	slots := make(chan struct{}, r.size)
	ending := r.ending
	for {
		r.mu.Lock()
		left := len(r.tasks)
		r.mu.Unlock()
		if ending == nil && left == 0 {
			workers.Wait()
			return
		}
		select {
		case slots <- struct{}{}:
			if t := r.queue.Pop(&popper); t != nil {
				r.queue.Popped()
				workers.Go(func() {
					r.work(t)
					<-slots
					r.look()
				})
				continue
			}
			<-slots
		default:
		}
		select {
		case <-r.wake:
		case <-ending:
			ending = nil
		}
	}
}

func (r *remote) Size() int { return r.size }

func (r *remote) Execute(ctx context.Context, t *futures.Task) error {
	t.Accept(r)
	message, err := encode(t.Input())
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.tasks[t] = message
	r.mu.Unlock()
	if d := t.Delay(); d == 0 {
		err = r.queue.Push(ctx, t)
	} else if err = r.queue.Refusal(); err == nil {
		time.AfterFunc(d, func() {
			r.queue.Requeue(t) // also if it is cancelled, as the queue counts it then
			r.look()
		})
	}
	if err != nil {
		r.forget(t)
	}
	r.look()
	return err
}

func (r *remote) forget(t *futures.Task) {
	r.mu.Lock()
	delete(r.tasks, t)
	r.mu.Unlock()
	r.look()
}

func (r *remote) Cancelled(t *futures.Task, started bool) {
	if !started {
		r.forget(t)
		r.queue.Cancelled()
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel := r.running[t]; cancel != nil {
		cancel(futures.ErrCancelled)
	}
}

func (*remote) Block(*futures.Task)   {}
func (*remote) Unblock(*futures.Task) {}

// work runs one attempt of a task.
func (r *remote) work(t *futures.Task) {
	if !t.Start(0) {
		r.queue.Skipped()
		return
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop := context.AfterFunc(t.Context(), func() { cancel(futures.ErrCancelled) }) // causes do not travel
	defer stop()
	r.mu.Lock()
	r.running[t] = cancel
	message := r.tasks[t]
	r.mu.Unlock()

	reply, err := serve(ctx, t.Name(), message, t.Timeout())
	if err == nil {
		err = decode(reply, t.Output())
	}

	r.mu.Lock()
	delete(r.running, t)
	r.mu.Unlock()
	if err == nil {
		t.Succeed()
		r.forget(t)
		return
	}
	delay, again := t.Fail(err)
	if !again {
		r.forget(t)
		return
	}
	time.AfterFunc(delay, func() {
		if t.State() == futures.Pending {
			r.queue.Requeue(t)
			r.look()
		}
	})
}

func (r *remote) Close() error {
	r.end()
	<-r.ended
	return nil
}

func (r *remote) Shutdown(ctx context.Context) error {
	r.end()
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	var left []*futures.Task
	for t := range r.tasks {
		left = append(left, t)
	}
	r.mu.Unlock()
	for _, state := range []futures.State{futures.Pending, futures.Running} { // so that none of the queued starts
		for _, t := range left {
			if t.State() == state {
				t.Cancel()
			}
		}
	}
	if len(left) == 0 {
		return r.Close()
	}
	return fmt.Errorf("remote.Shutdown: %d tasks cut short: %w", len(left), context.Cause(ctx))
}

// serve is the far side: it runs a function by name.
func serve(ctx context.Context, name string, message []byte, timeout time.Duration) (reply []byte, err error) {
	definition, err := futures.Lookup(name)
	if err != nil {
		return nil, err
	}
	call := definition.NewCall()
	if err := decode(message, call.Input()); err != nil {
		return nil, err
	}
	if timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, timeout, futures.ErrTimeout)
		defer stop()
	}
	var failure fault
	done := make(chan struct{})
	go func() {
		defer close(done)
		returned := false
		defer func() {
			if !returned {
				failure = faultOf(recover())
				failure.Panic = !failure.Goexit
			}
		}()
		err := call.Invoke(ctx)
		returned = true
		if err != nil {
			failure = faultOf(err)
		}
	}()
	<-done
	if failure.Any {
		wire, err := encode(&failure)
		if err != nil {
			return nil, err
		}
		var arrived fault
		if err := decode(wire, &arrived); err != nil {
			return nil, err
		}
		return nil, arrived.error()
	}
	return encode(call.Output())
}

// fault is how an error or a panic travels.
type fault struct {
	Any, Panic, Goexit bool
	Type, Message      string
	Stack              []byte
	Known              []int // sentinels that it matches
}

var sentinels = []error{fs.ErrInvalid, fs.ErrExist, context.Canceled, context.DeadlineExceeded, futures.ErrCancelled, futures.ErrTimeout}

// faultOf describes an error, or what was given to panic; nil is a Goexit.
func faultOf(v any) fault {
	f := fault{Any: true, Goexit: v == nil, Type: fmt.Sprintf("%T", v), Message: fmt.Sprint(v), Stack: debug.Stack()}
	if err, ok := v.(error); ok {
		for i, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				f.Known = append(f.Known, i)
			}
		}
	}
	return f
}

func (f fault) error() error {
	var known []error
	for _, i := range f.Known {
		known = append(known, sentinels[i])
	}
	err := &futures.RemoteError{Type: f.Type, Message: f.Message, Stack: string(f.Stack), Cause: errors.Join(known...)}
	switch {
	case f.Goexit:
		return &futures.PanicError{Goexit: true, Stack: f.Stack}
	case f.Panic:
		return &futures.PanicError{Value: err, Stack: f.Stack}
	}
	return err
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

func decode(b []byte, into any) error { return gob.NewDecoder(bytes.NewReader(b)).Decode(into) }
