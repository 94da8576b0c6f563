package procpool

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/inspect"
	"github.com/futures-go/futures/internal/codec"
	"github.com/futures-go/futures/internal/process"
	"github.com/futures-go/futures/internal/taskring"
)

// Options configure a pool. The zero value is a good default.
type Options struct {
	// Workers is how many tasks may run at the same time, each in a process of its
	// own; at most MaxWorkers. The default is GOMAXPROCS.
	Workers int

	// Queue is how many tasks may wait for a worker; the default is 1024. When it
	// is full, Submit waits; those that wait go on when the queue is half empty,
	// in the order in which they came.
	Queue int

	// RejectWhenFull makes Submit fail with futures.ErrQueueFull instead of waiting
	// when the queue is full.
	RejectWhenFull bool

	// Init is called in each worker before its first task: see Initialize. If it
	// fails the pool is broken: what is queued and what is submitted later fails
	// with futures.ErrBroken, which wraps the error.
	Init *Initializer

	// MaxTasksPerWorker replaces a worker by a new process after so many tasks, for
	// functions that leak. The default, 0, is no limit.
	MaxTasksPerWorker int

	// IdleTimeout ends a worker that has had nothing to do for so long; it is
	// started again when there is. The default is a minute, negative is never.
	IdleTimeout time.Duration

	// MemoryLimit is how many bytes of memory a worker may have, what it shares not
	// counted. A worker over it is killed, and the error of its task has OOM set. It
	// is looked at every 10 ms, so that a fast allocation may get some way over it.
	// The worker's GOMEMLIMIT is 90 % of it. The default, 0, is no limit. Linux only.
	MemoryLimit int64

	// KillGrace is how long a task whose context has ended may go on before its
	// worker is killed. The default is 2 seconds, negative is none.
	KillGrace time.Duration

	// StartTimeout bounds the time from the start of a process until it says hello.
	// The default is 10 seconds.
	StartTimeout time.Duration

	// Isolated is the strict mode for code that is not trusted: a worker shares no
	// memory with anybody, and everything goes through a pipe of its own. It is
	// slower: see docs/guide/processes.md. Other systems than Linux have this only.
	Isolated bool

	// BreakOnCrash makes the pool broken when a worker dies, as Python's
	// ProcessPoolExecutor is: all its futures fail, and it takes no more tasks.
	BreakOnCrash bool

	// Command is the program that a worker runs, with its arguments, if it is not
	// this very program. It speaks PROTOCOL.md over descriptors 3 and 4. Such a pool
	// is Isolated.
	Command []string

	// Env is added to the environment of the workers, as KEY=value. It overrides what
	// this process has.
	Env []string

	// Dir is the working directory of the workers. The default is that of this process.
	Dir string

	// Stdout and Stderr get what workers print, line by line and without the newline,
	// with the worker's process number. They are called from one goroutine for each
	// worker and stream; one that blocks makes the worker block. The default writes
	// "[PID] line" to this process's standard output and error.
	Stdout, Stderr func(pid int, line []byte)

	// Name appears in logs and snapshots. The default is procpool-1, procpool-2 and
	// so on.
	Name string

	// Logger is told what would otherwise be lost: tasks that failed and whose outcome
	// nobody asked for, and workers that died without a task. The default is
	// slog.Default().
	Logger *slog.Logger

	// Events, if not nil, is called for each event of the pool. It is for dashboards
	// and tests; Pool.Listen does the same for a while.
	Events inspect.Listener
}

// MaxWorkers is the largest Options.Workers.
const MaxWorkers = taskring.MaxWorkers

const (
	defaultQueue        = 1024
	defaultIdleTimeout  = time.Minute
	defaultKillGrace    = 2 * time.Second
	defaultStartTimeout = 10 * time.Second
)

var poolCount atomic.Int64 // for default names

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Workers < 0:
		return o, fmt.Errorf("negative Workers %d", o.Workers)
	case o.Workers > MaxWorkers:
		return o, fmt.Errorf("%d Workers, at most %d", o.Workers, MaxWorkers)
	case o.Queue < 0:
		return o, fmt.Errorf("negative Queue %d", o.Queue)
	case o.MaxTasksPerWorker < 0:
		return o, fmt.Errorf("negative MaxTasksPerWorker %d", o.MaxTasksPerWorker)
	case o.MemoryLimit < 0:
		return o, fmt.Errorf("negative MemoryLimit %d", o.MemoryLimit)
	case o.StartTimeout < 0:
		return o, fmt.Errorf("negative StartTimeout %v", o.StartTimeout)
	case len(o.Command) > 0 && o.Command[0] == "":
		return o, fmt.Errorf("empty Command")
	}
	for _, e := range o.Env {
		if key, _, ok := strings.Cut(e, "="); !ok || key == "" || strings.ContainsRune(e, 0) {
			return o, fmt.Errorf("bad Env entry %q, must be KEY=value", e)
		}
	}
	if o.Init != nil && o.Init.err != nil {
		return o, fmt.Errorf("option Init: %w", o.Init.err)
	}
	if o.Dir != "" {
		if info, err := os.Stat(o.Dir); err != nil {
			return o, fmt.Errorf("option Dir: %w", err)
		} else if !info.IsDir() {
			return o, fmt.Errorf("option Dir: %s is not a directory", o.Dir)
		}
	}
	o.Workers = orDefault(o.Workers, runtime.GOMAXPROCS(0))
	o.Queue = orDefault(o.Queue, defaultQueue)
	o.IdleTimeout = orDefault(o.IdleTimeout, defaultIdleTimeout)
	o.KillGrace = orDefault(o.KillGrace, defaultKillGrace)
	o.StartTimeout = orDefault(o.StartTimeout, defaultStartTimeout)
	o.Env, o.Command = slices.Clone(o.Env), slices.Clone(o.Command)
	if o.Name == "" {
		o.Name = fmt.Sprintf("procpool-%d", poolCount.Add(1))
	}
	if o.Stdout == nil {
		o.Stdout = process.PrefixWriter(os.Stdout)
	}
	if o.Stderr == nil {
		o.Stderr = process.PrefixWriter(os.Stderr)
	}
	return o, nil
}

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// sets reports whether Env has an entry of that name.
func (o *Options) sets(key string) bool {
	return slices.ContainsFunc(o.Env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
}

func (o *Options) logger() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.Default()
}

// Initializer is a call that each worker makes before its first task.
type Initializer struct {
	name     string
	argument []byte
	err      error // why it cannot travel; New returns it
}

// Initialize makes an Initializer of a registered function and its argument: a
// model to load, a connection to open. The function's result is ignored.
func Initialize[In, Out any](f *futures.Func[In, Out], in In) *Initializer {
	if f == nil || f.Name() == "" {
		return &Initializer{err: fmt.Errorf("%w: the Func was not made by Define", futures.ErrNotRegistered)}
	}
	i := &Initializer{name: f.Name()}
	if i.err = codec.Check(reflect.TypeFor[In]()); i.err == nil {
		i.argument, i.err = codec.Append(nil, &in)
	}
	if len(i.argument) > mostInitArgument {
		i.err = fmt.Errorf("argument of %d bytes, at most %d", len(i.argument), mostInitArgument)
	}
	return i
}

// mostInitArgument leaves room in the frame for what else WELCOME says.
const mostInitArgument = maxFrame / 2

// Worker returns the number of the worker process in which ctx's task runs, and
// whether it runs in one. Numbers start at 0; those of workers that are gone are used
// again.
func Worker(ctx context.Context) (int, bool) {
	if call, ok := ctx.Value(callKey{}).(*call); ok {
		return call.server.number, true
	}
	return 0, false
}

// Attempt returns which attempt of ctx's task this is, from 1, and whether ctx is that of
// a task in a worker process.
func Attempt(ctx context.Context) (int, bool) {
	if call, ok := ctx.Value(callKey{}).(*call); ok {
		return call.attempt, true
	}
	return 0, false
}
