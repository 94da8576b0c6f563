package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/inspect"
)

// ServeOptions configure a worker. A Connection is all that it needs.
type ServeOptions struct {
	// Connection says which server, and as whom. Its Name is the worker's, for logs and
	// dashboards; the default is the host's and the process number.
	Connection

	// Queues are those that the worker serves; the default is "default". Between queues it takes
	// turns, but for priorities: what is urgent in one comes before the rest of all.
	Queues []string

	// Workers is how many tasks run at the same time. The default is Executor's size if it
	// has one, and GOMAXPROCS otherwise. Short tasks come some milliseconds of work
	// ahead of that.
	Workers int

	// Executor runs the tasks. The default is a gopool. With a *procpool.Pool a task that crashes,
	// hangs or wants too much memory hurts nobody else. It stays the caller's, who closes it when
	// Serve has returned, and should have room in its queue: what it refuses goes to other
	// workers.
	Executor futures.Executor

	// Lease is how long the worker may be silent before its tasks go to another one. It
	// holds for queues that nobody has used yet, and must be that of the queue otherwise; zero
	// takes what there is, or 30 s. With several nodes it should be 15 s or more,
	// or leases end while leaders are elected.
	Lease time.Duration

	// DrainTimeout is how long tasks may go on once ctx has ended. Then they are cancelled, and
	// go to other workers. The default is 30 s; a negative one gives no time.
	DrainTimeout time.Duration

	// Logger is told of workers that were lost, of dead letters and of interruptions. The
	// default is slog.Default().
	Logger *slog.Logger

	// Events, if not nil, is called for each event of the gopool that is made if Executor
	// is nil.
	Events inspect.Listener
}

const (
	defaultDrain = 30 * time.Second
	obeyFor      = 10 * time.Second
	ownQueue     = 1 << 30 // what is in the gopool's queue is bounded by what is pulled
)

// Serve runs the functions that this program has registered with futures.Define, for pools of
// the same namespace, until ctx ends. Then it drains: it takes nothing more, gives back what it
// has not begun, and finishes what runs, for DrainTimeout at most. It returns nil after that,
// and nothing of it is left (CL6).
//
// It returns an error if it cannot connect, if what is on the server differs from what the options
// say, if the executor is broken or closed, and if tasks do not end although they were
// cancelled. When the connection is interrupted it goes on with what runs, and
// connects again.
//
// Several workers may be in one program. Serve panics if ctx is nil.
func Serve(ctx context.Context, opts ServeOptions) error {
	if ctx == nil {
		panic("cluster.Serve: nil context")
	}
	if err := serve(ctx, opts); err != nil {
		return fmt.Errorf("cluster.Serve: %w", err)
	}
	return nil
}

func serve(ctx context.Context, opts ServeOptions) error {
	w, err := opts.worker()
	if err != nil {
		return err
	}
	conn, err := opts.connect(ctx, stream.Worker, w.Logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetupConsumers(ctx, opts.Lease, w.Queues); err != nil {
		return err
	}
	return serveOn(ctx, conn, w, opts.drainTimeout())
}

// serveOn is Serve on a connection whose streams exist. If lease is not known yet it asks for
// that of the queues.
func serveOn(ctx context.Context, conn *stream.Conn, opts workerOptions, drain time.Duration) error {
	var err error
	if opts.Lease, err = conn.Lease(ctx, opts.Queues); err != nil {
		return err
	}
	w, err := newWorker(conn, opts)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-w.broken:
	}
	return errors.Join(w.failure(), w.drain(drain))
}

func (o *ServeOptions) drainTimeout() time.Duration {
	if o.DrainTimeout == 0 {
		return defaultDrain
	}
	return max(0, o.DrainTimeout)
}

// worker checks the options and returns what a worker needs of them.
func (o *ServeOptions) worker() (w workerOptions, err error) {
	switch {
	case o.Workers < 0:
		return w, fmt.Errorf("negative Workers %d", o.Workers)
	case o.Lease < 0:
		return w, fmt.Errorf("negative Lease %v", o.Lease)
	}
	w = workerOptions{Queues: slices.Clone(o.Queues), Slots: o.Workers, Executor: o.Executor, Hold: holdFor, Obey: obeyFor, Name: o.Name, Logger: o.Logger}
	if len(w.Queues) == 0 {
		w.Queues = []string{stream.Default}
	}
	for i, q := range w.Queues {
		if err := stream.CheckName("queue", q); err != nil {
			return w, err
		}
		if slices.Contains(w.Queues[:i], q) {
			return w, fmt.Errorf("queue %q is named twice", q)
		}
	}
	if sizer, ok := o.Executor.(futures.Sizer); ok && w.Slots == 0 {
		w.Slots = sizer.Size()
	}
	if w.Slots == 0 {
		w.Slots = runtime.GOMAXPROCS(0)
	}
	if w.Name == "" {
		host, _ := os.Hostname() // an empty one says as much
		w.Name = fmt.Sprintf("%s-%d", host, os.Getpid())
	}
	if w.Logger == nil {
		w.Logger = slog.Default()
	}
	w.Pool = gopool.Options{Workers: w.Slots, Queue: ownQueue, Name: w.Name, Logger: w.Logger, Events: o.Events}
	return w, nil
}
