package gopool

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync/atomic"

	"github.com/futures-go/futures/inspect"
)

// Options configure a pool. The zero value is a good default.
type Options struct {
	// Workers is how many tasks may run at the same time. The default, for 0, is
	// min(32, GOMAXPROCS+4), as in Python's ThreadPoolExecutor: right for tasks
	// that wait most of the time. For tasks that compute, GOMAXPROCS is enough.
	Workers int

	// Queue is how many tasks may wait for a worker; the default is 1024. When
	// it is full, Submit waits; those that wait go on when the queue is half
	// empty, in the order in which they came.
	Queue int

	// RejectWhenFull makes Submit fail with futures.ErrQueueFull instead of
	// waiting when the queue is full.
	RejectWhenFull bool

	// Init is called by each worker before its first task, with the worker's
	// number. If it fails or panics the pool is broken: what is queued and what
	// is submitted later fails with futures.ErrBroken, which wraps the error.
	// What Init sets up for a worker is found again by the number that Worker
	// returns inside a task.
	Init func(ctx context.Context, worker int) error

	// Name appears in logs, profiles and snapshots. The default is gopool-1,
	// gopool-2 and so on.
	Name string

	// Logger is told what would otherwise be lost: tasks that failed and whose
	// outcome nobody asked for. The default is slog.Default().
	Logger *slog.Logger

	// Events, if not nil, is called for each event of the pool. It is for
	// dashboards and tests; Pool.Listen does the same for a while.
	Events inspect.Listener
}

const (
	defaultQueue   = 1024
	maxIOWorkers   = 32
	extraIOWorkers = 4
)

var poolCount atomic.Int64 // for default names

func (o Options) withDefaults() (Options, error) {
	if o.Workers < 0 {
		return o, fmt.Errorf("negative Workers %d", o.Workers)
	}
	if o.Workers > math.MaxInt32 {
		return o, fmt.Errorf("%d Workers, at most %d", o.Workers, math.MaxInt32)
	}
	if o.Queue < 0 {
		return o, fmt.Errorf("negative Queue %d", o.Queue)
	}
	if o.Workers == 0 {
		o.Workers = min(maxIOWorkers, runtime.GOMAXPROCS(0)+extraIOWorkers)
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("gopool-%d", poolCount.Add(1))
	}
	return o, nil
}

func (o Options) logger() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.Default()
}
