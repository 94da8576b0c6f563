package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nuid"

	"github.com/futures-go/futures/cluster/internal/stream"
	"github.com/futures-go/futures/internal/taskqueue"
)

// Connect returns a pool that submits to the queue that opts name. It makes the streams
// that are missing. ctx bounds that only. With neither opts.URL nor opts.Server it starts a
// server and workers in this process, for the pool alone.
//
// The error names the server, the user, and what was refused or is not as opts say.
func Connect(ctx context.Context, opts Options) (*Pool, error) {
	p, err := connect(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("cluster.Connect: %w", err)
	}
	return p, nil
}

func connect(ctx context.Context, opts Options) (*Pool, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Pool{
		opts:      opts,
		client:    nuid.Next(),
		began:     time.Now(),
		chunks:    make(map[uint64]*chunk),
		workers:   make(map[string]int),
		questions: make(map[*job]*question),
		stopping:  make(map[*job]struct{}),
		awaited:   make(map[*job]chan struct{}),
		ending:    make(chan struct{}),
		done:      make(chan struct{}),
	}
	p.keeper.wake, p.keeper.quit = make(chan struct{}, 1), make(chan struct{})
	p.attached.pool = p
	p.functions.Make, p.contexts.Ended = newPoolFunction, p.contextEnded
	p.queue = taskqueue.New(opts.Queue, opts.RejectWhenFull, p.send)
	p.queue.CountOutside(func() int { return int(p.waiting.Load()) })
	for i := range p.lanes {
		p.lanes[i].level = i
	}
	if opts.Events != nil {
		p.listener.Store(&opts.Events)
	}
	if err := p.open(ctx); err != nil {
		if p.conn != nil {
			p.conn.Close()
		}
		return nil, errors.Join(err, p.local.stopWorkers(), p.local.stopServer())
	}
	p.keeper.gone.Go(p.keepGoing)
	return p, nil
}

// open starts what the options ask for, and connects.
func (p *Pool) open(ctx context.Context) (err error) {
	connection := p.opts.Connection
	if p.opts.embedded() {
		if p.local.server, err = StartServer(ServerOptions{StoreDir: p.opts.StoreDir, Durability: p.opts.Durability, Logger: p.opts.Logger}); err != nil {
			return err
		}
		connection.Server = p.local.server
	}
	if p.conn, err = connection.connect(ctx, stream.Client, p.opts.Logger); err != nil {
		return err
	}
	if err := p.conn.Setup(ctx, p.layout(connection)); err != nil {
		return err
	}
	if p.publisher, err = p.conn.NewPublisher(); err != nil {
		return err
	}
	names := p.conn.Names
	if _, err := p.conn.Subscribe(names.Notice(p.client), p.noticeCame); err != nil {
		return err
	}
	if _, err := p.conn.Subscribe(names.ResultFilter(p.client, ""), p.resultCame); err != nil {
		return err
	}
	p.conn.OnGap(p.gap)
	if err := p.conn.Fence(ctx); err != nil { // the server knows the subscriptions
		return fmt.Errorf("%s: %w", p.conn.Where(), err)
	}
	p.rollSentinel()
	if p.opts.Workers > 0 {
		p.local.startWorkers(ctx, ServeOptions{
			Connection: connection, Queues: []string{p.opts.QueueName}, Workers: p.opts.Workers,
			Executor: p.opts.Executor, Lease: p.opts.Lease, Logger: p.opts.Logger,
		}, p.workersEnded)
	}
	return nil
}

func (p *Pool) layout(c Connection) stream.Layout {
	return stream.Layout{
		Replicas: p.opts.Replicas, MaxStored: p.opts.MaxStored, ResultTTL: p.opts.ResultTTL,
		Memory: c.Server != nil && c.Server.inMemory(),
	}
}

// local is what Connect has started in this process.
type local struct {
	server *Server
	stop   context.CancelFunc // ends the workers
	ended  chan error         // gets what Serve returned
}

// startWorkers starts workers. They may begin to work after it has returned. If they end
// before they are told to, broken is called with the reason.
func (l *local) startWorkers(ctx context.Context, opts ServeOptions, broken func(error)) {
	within, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop, l.ended = stop, make(chan error, 1)
	go func() {
		err := Serve(within, opts)
		if within.Err() == nil {
			broken(err)
		}
		l.ended <- err
	}()
}

func (l *local) stopWorkers() error {
	if l.stop == nil {
		return nil
	}
	l.stop()
	err := <-l.ended
	l.stop = nil
	if errors.Is(err, context.Canceled) { // it had not begun
		return nil
	}
	return err
}

func (l *local) stopServer() error {
	if l.server == nil {
		return nil
	}
	return l.server.Close()
}
