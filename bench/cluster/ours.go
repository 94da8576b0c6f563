package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/cluster"
)

func ours() harness.System {
	return adapter{open: openOurs}.answers(harness.System{
		Name:  "cluster-pool",
		About: "Func.Submit and Future.Result on a cluster.Pool; workers are cluster.Serve on a gopool",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures/cluster"),
	})
}

var defined = map[string]*futures.Func[[]byte, []byte]{
	taskEcho:  futures.Define("bench.cluster.echo", tasks[taskEcho]),
	taskPID:   futures.Define("bench.cluster.pid", tasks[taskPID]),
	taskStall: futures.Define("bench.cluster.stall", tasks[taskStall]),
}

// poolClient is a pool, and the processes that it talks to.
type poolClient struct {
	stage
	pool *cluster.Pool
}

func openOurs(ctx context.Context, s site) (client, error) {
	c := &poolClient{stage: newStage("worker", s)}
	err := c.open(ctx, s)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *poolClient) open(ctx context.Context, s site) (err error) {
	o := cluster.Options{Queue: s.queue, Lease: s.lease, Durability: durability(s.sync), Logger: quiet()}
	if s.place != oneProcess {
		o.Durability = cluster.DefaultDurability
		if o.URL, err = c.startServers(s, "server"); err != nil {
			return err
		}
		if s.place == threeServers {
			o.Replicas, c.abrupt = 3, true // requests to several servers expire before a worker ends
		}
	}
	if c.pool, err = cluster.Connect(ctx, o); err != nil {
		return err
	}
	if s.place != oneProcess && !s.empty {
		_, err = c.start(c.brief)
	}
	return err
}

func (c *poolClient) submit(ctx context.Context, task string, argument []byte) (future, error) {
	return defined[task].Submit(ctx, c.pool, argument), nil
}

func (c *poolClient) flush(ctx context.Context) error { return c.pool.Flush(ctx) }

func (c *poolClient) close() (err error) {
	if c.pool != nil {
		err = c.pool.Close()
	}
	return errors.Join(err, c.clear())
}

func durability(sync bool) cluster.Durability {
	if sync {
		return cluster.Disk
	}
	return cluster.Process
}

// quiet is told of the workers that are killed on purpose.
func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// serveOurs is the role of a server.
func serveOurs(ctx context.Context, o orders, ready func(url string)) error {
	options := cluster.ServerOptions{
		Name: o.Name, StoreDir: o.Dir, Listen: anyPort, Durability: durability(o.Sync), Logger: quiet(),
	}
	if len(o.Routes) > 0 {
		options.Peers = &cluster.Peers{Name: "bench", Listen: o.Peer, Routes: o.Routes}
	}
	s, err := cluster.StartServer(options)
	if err != nil {
		return err
	}
	ready(s.URL())
	<-ctx.Done()
	return s.Close()
}

// workOurs is the role of a worker.
func workOurs(ctx context.Context, o orders, ready func(url string)) error {
	ready("") // what it needs is on the server already, and tasks wait there for it
	return cluster.Serve(ctx, cluster.ServeOptions{
		Connection: cluster.Connection{URL: o.URL}, Workers: o.Slots,
		Lease: time.Duration(o.LeaseMS) * time.Millisecond, DrainTimeout: -1, Logger: quiet(),
	})
}
