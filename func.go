package futures

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"sync"
)

// Func is a function with a name, which can therefore run anywhere: in this
// process, in a worker process, on another host. It is made by Define.
type Func[In, Out any] struct {
	name string
	fn   func(context.Context, In) (Out, error)
	def  *Definition // nil for a closure
}

// Define registers fn under a name and returns it as a Func. It is meant for
// package-level variables, so that the program that submits and its workers have
// the same table:
//
//	var Sum = futures.Define("sum", func(ctx context.Context, n int64) (int64, error) { ... })
//
// Define does nothing but fill the table. It panics if the name is empty or
// taken, or if fn is nil.
func Define[In, Out any](name string, fn func(context.Context, In) (Out, error)) *Func[In, Out] {
	if name == "" {
		panic("futures.Define: empty name")
	}
	if fn == nil {
		panic(fmt.Sprintf("futures.Define: %q: nil function", name))
	}
	f := &Func[In, Out]{name: name, fn: fn}
	f.def = &Definition{
		name:  name,
		in:    reflect.TypeFor[In](),
		out:   reflect.TypeFor[Out](),
		call:  func() Call { return &call[In, Out]{f: f} },
		named: func(done func(*Task)) *Task { return newNamed(f, done) },
		batch: func() BatchCall { return &batchCall[In, Out]{f: f} },
	}
	registry.add(f.def)
	return f
}

// Name returns the name given to Define.
func (f *Func[In, Out]) Name() string { return f.name }

// Call calls the function here and now.
func (f *Func[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	if f == nil || f.fn == nil {
		var zero Out
		return zero, errNotDefined
	}
	return f.fn(ctx, in)
}

// Submit hands a call with the argument in to ex, as the function Submit does
// with a closure. An executor in this process passes in as it is, any other
// encodes it before Submit returns. A Func that was not made by Define gives a
// failed future.
func (f *Func[In, Out]) Submit(ctx context.Context, ex Executor, in In, opts ...Option) *Future[Out] {
	if f == nil || f.fn == nil {
		return failedFuture[Out](errNotDefined)
	}
	return f.submit("futures.Func.Submit", ctx, ex, in, opts)
}

func (f *Func[In, Out]) submit(caller string, ctx context.Context, ex Executor, in In, opts []Option) *Future[Out] {
	c := &funcFuture[In, Out]{f: f, in: in}
	c.task.typed = c
	c.task.submit(caller, ctx, ex, opts)
	return &c.Future
}

// Map calls the function for each input, as the function Map does. It takes any
// executor.
func (f *Func[In, Out]) Map(ctx context.Context, ex Executor, inputs iter.Seq[In], opts ...MapOption) iter.Seq2[Out, error] {
	if f == nil || f.fn == nil {
		return func(yield func(Out, error) bool) {
			var zero Out
			yield(zero, errNotDefined)
		}
	}
	return newMapping("futures.Func.Map", ctx, ex, inputs, f, opts).all
}

var errNotDefined = fmt.Errorf("%w: the Func was not made by Define", ErrNotRegistered)

// failedFuture returns a future that no executor has seen.
func failedFuture[T any](err error) *Future[T] {
	f := NewPromise[T]().Future()
	f.task.Refuse(err)
	return f
}

// funcFuture is the future of a Func with its argument: one allocation.
type funcFuture[In, Out any] struct {
	Future[Out]
	f  *Func[In, Out]
	in In
}

func (c *funcFuture[In, Out]) handle() Handle { return &c.Future }
func (c *funcFuture[In, Out]) input() any     { return &c.in }

func (c *funcFuture[In, Out]) definition() *Definition { return c.f.def }

func (c *funcFuture[In, Out]) key() FunctionKey {
	return FunctionKey{entryOf(c.f.fn), c.f.name}
}

func (c *funcFuture[In, Out]) invoke(ctx context.Context) (err error) {
	c.value, err = c.f.fn(ctx, c.in)
	if err == nil {
		c.drop(true)
	}
	return err
}

func (c *funcFuture[In, Out]) drop(keepValue bool) {
	var none In
	c.in = none
	c.Future.drop(keepValue)
}

// Definition is an entry of the table that Define fills, for executors that run
// functions by name.
type Definition struct {
	name    string
	in, out reflect.Type
	call    func() Call
	batch   func() BatchCall
	named   func(done func(*Task)) *Task
	site    string // file:line of the call of Define
	index   int    // how many were defined before
}

// Name returns the name given to Define.
func (d *Definition) Name() string { return d.name }

// Index returns how many functions of this program were defined before this one.
func (d *Definition) Index() int { return d.index }

// Types returns the types of the argument and of the value.
func (d *Definition) Types() (in, out reflect.Type) { return d.in, d.out }

// NewCall returns a place for calls of the function, to be used for one call
// after another.
func (d *Definition) NewCall() Call { return d.call() }

// Call is one call of a registered function by name: fill what Input points to,
// Invoke, read what Output points to, Reset. It is used by one goroutine at a
// time.
type Call interface {
	Input() any  // *In
	Output() any // *Out
	Invoke(ctx context.Context) error
	Reset() // forgets argument and value
}

type call[In, Out any] struct {
	f   *Func[In, Out]
	in  In
	out Out
}

func (c *call[In, Out]) Input() any  { return &c.in }
func (c *call[In, Out]) Output() any { return &c.out }

func (c *call[In, Out]) Invoke(ctx context.Context) (err error) {
	c.out, err = c.f.fn(ctx, c.in)
	return err
}

func (c *call[In, Out]) Reset() { *c = call[In, Out]{f: c.f} }

// Lookup returns the definition of a name. Its error matches ErrNotRegistered
// and names the function.
func Lookup(name string) (*Definition, error) {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	if d := registry.byName[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrNotRegistered, name)
}

// Definitions returns all definitions in the order of their names.
func Definitions() []*Definition {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	all := make([]*Definition, 0, len(registry.byName))
	for _, d := range registry.byName {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Definition) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

// registry is the table of Define, the only state that the package keeps beside
// the wait graph and the count of completions.
var registry table

type table struct {
	mu     sync.RWMutex
	byName map[string]*Definition
}

func (r *table) add(d *Definition) {
	if _, file, line, ok := runtime.Caller(2); ok {
		d.site = fmt.Sprintf("%s:%d", file, line)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if first := r.byName[d.name]; first != nil {
		panic(fmt.Sprintf("futures.Define: %q is already defined at %s", d.name, first.site))
	}
	if r.byName == nil {
		r.byName = make(map[string]*Definition)
	}
	d.index = len(r.byName)
	r.byName[d.name] = d
}
