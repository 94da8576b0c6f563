package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/inspect"
)

// Options configure a pool. The zero value starts a server and workers in this process.
type Options struct {
	// Connection says which server, and as whom. With neither URL nor Server, Connect starts
	// a server for this process, and workers; Close ends them.
	Connection

	// QueueName is the queue that the tasks go to, served by workers that name it in
	// ServeOptions.Queues. The default is "default".
	QueueName string

	// Queue is how many tasks of this pool may wait for a worker, here and on the server; the
	// default is 8192. When it is full, Submit waits; those that wait go on when it is half
	// empty, in the order in which they came.
	Queue int

	// RejectWhenFull makes Submit fail with futures.ErrQueueFull instead of waiting when the
	// queue is full, and tasks that find the server's queue full (MaxStored).
	RejectWhenFull bool

	// The next three are for streams that do not exist yet; zero takes what exists. If they say
	// otherwise than what exists, Connect fails and says how.
	Replicas  int           // of everything that is stored, 1 to 5; the default is 1
	MaxStored int64         // tasks on the server, of all pools; the default is 1,000,000
	ResultTTL time.Duration // how long results are kept that nobody has taken; the default is an hour

	// StoreDir is the folder of the server that Connect starts. The default is a temporary
	// one, which Close removes.
	StoreDir string

	// Durability is that of the server that Connect starts.
	Durability Durability

	// Workers is how many tasks the workers that Connect starts run at the same time; the
	// default is GOMAXPROCS. With a URL or a Server none are started, unless Workers or
	// Executor is set.
	Workers int

	// Lease is that of the workers that Connect starts: see ServeOptions.
	Lease time.Duration

	// Executor is what the workers that Connect starts run tasks on. The default is a
	// gopool. It stays the caller's, who closes it after the pool.
	Executor futures.Executor

	// Logger is told what would otherwise be lost: tasks that failed and whose outcome
	// nobody asked for, and interruptions. The default is slog.Default().
	Logger *slog.Logger

	// Events, if not nil, is called for each event of the pool. It is for dashboards and
	// tests; Pool.Listen does the same for a while.
	Events inspect.Listener
}

const defaultQueue = 8192

var poolCount atomic.Int64 // for default names

// embedded reports whether Connect is to start a server.
func (o *Options) embedded() bool { return o.URL == "" && o.Server == nil }

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.URL != "" && o.Server != nil:
		return o, errors.New("both URL and Server are set")
	case o.Queue < 0:
		return o, fmt.Errorf("negative Queue %d", o.Queue)
	case o.Replicas < 0 || o.Replicas > 5:
		return o, fmt.Errorf("%d Replicas, must be 1 to 5", o.Replicas)
	case o.MaxStored < 0:
		return o, fmt.Errorf("negative MaxStored %d", o.MaxStored)
	case o.ResultTTL < 0:
		return o, fmt.Errorf("negative ResultTTL %v", o.ResultTTL)
	case o.Lease < 0:
		return o, fmt.Errorf("negative Lease %v", o.Lease)
	case o.Workers < 0:
		return o, fmt.Errorf("negative Workers %d", o.Workers)
	case !o.embedded() && (o.StoreDir != "" || o.Durability != DefaultDurability):
		return o, errors.New("StoreDir and Durability are for the server that Connect starts, and URL or Server is set")
	}
	if o.QueueName == "" {
		o.QueueName = stream.Default
	}
	if err := stream.CheckName("QueueName", o.QueueName); err != nil {
		return o, err
	}
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("cluster-%d", poolCount.Add(1))
	}
	if o.Workers == 0 && (o.embedded() || o.Executor != nil) {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	return o, nil
}

func (o *Options) logger() *slog.Logger {
	if o.Logger != nil {
		return o.Logger
	}
	return slog.Default()
}
