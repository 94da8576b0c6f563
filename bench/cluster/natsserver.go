package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startNATS starts a NATS server in this process, with files in o.Dir and otherwise as
// the server's defaults are, but for the size of a message: there is room for an
// argument of a mebibyte and what goes with it. It listens if that is asked for.
func startNATS(o orders, listen bool) (*server.Server, error) {
	options := &server.Options{
		ServerName: cmp.Or(o.Name, "server"), Host: "127.0.0.1", Port: server.RANDOM_PORT, DontListen: !listen,
		NoSigs: true, NoLog: true, JetStream: true, StoreDir: o.Dir, SyncAlways: o.Sync, MaxPayload: 8 << 20,
	}
	if len(o.Routes) > 0 {
		peer, err := url.Parse("nats://" + o.Peer)
		if err != nil {
			return nil, err
		}
		port, err := strconv.Atoi(peer.Port())
		if err != nil {
			return nil, err
		}
		options.Cluster = server.ClusterOpts{Name: "bench", Host: peer.Hostname(), Port: port}
		for _, r := range o.Routes {
			route, err := url.Parse("nats://" + r)
			if err != nil {
				return nil, err
			}
			options.Routes = append(options.Routes, route)
		}
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		return nil, errors.New("the NATS server is not ready after 10 s")
	}
	return s, nil
}

// serveNATS is the role of a server.
func serveNATS(ctx context.Context, o orders, ready func(url string)) error {
	s, err := startNATS(o, true)
	if err != nil {
		return err
	}
	ready(s.ClientURL())
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

// The streams, and the consumer that all workers share.
const (
	streamTasks   = "TASKS"
	streamResults = "RESULTS"
	consumerName  = "workers"
	subjectTasks  = "tasks."   // and the task's name, the client, the number
	subjectResult = "results." // and the client, the number
	subjectKeep   = "keep"     // of a message that no worker takes
)

// makeStreams makes the streams and the consumer. A cluster of servers that have just
// been started is asked until it has chosen who answers.
func makeStreams(ctx context.Context, js jetstream.JetStream, s site) error {
	replicas := 1
	if s.place == threeServers {
		replicas = 3
	}
	lease := s.lease
	if lease == 0 {
		lease = 30 * time.Second
	}
	tasks := jetstream.StreamConfig{
		Name: streamTasks, Subjects: []string{subjectTasks + ">", subjectKeep}, Retention: jetstream.WorkQueuePolicy,
		Storage: jetstream.FileStorage, Replicas: replicas,
	}
	results := jetstream.StreamConfig{
		Name: streamResults, Subjects: []string{subjectResult + ">"}, MaxAge: time.Hour,
		Storage: jetstream.FileStorage, Replicas: replicas,
	}
	consumer := jetstream.ConsumerConfig{
		Durable: consumerName, FilterSubject: subjectTasks + ">", AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease, MaxAckPending: 1 << 16,
	}
	for {
		err := func() error {
			within, stop := context.WithTimeout(ctx, time.Second)
			defer stop()
			for _, config := range []jetstream.StreamConfig{tasks, results} {
				if _, err := js.CreateOrUpdateStream(within, config); err != nil {
					return fmt.Errorf("stream %s: %w", config.Name, err)
				}
			}
			_, err := js.CreateOrUpdateConsumer(within, streamTasks, consumer)
			return err
		}()
		if err == nil || s.place != threeServers || ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A natsStage is a stage with NATS servers: processes, or one here.
type natsStage struct {
	stage
	own *server.Server
}

// connect starts the servers of a site and connects to them.
func (n *natsStage) connect(s site) (*nats.Conn, error) {
	if s.place != oneProcess {
		urls, err := n.startServers(s, "nats")
		if err != nil {
			return nil, err
		}
		return nats.Connect(urls)
	}
	dir, err := n.folder()
	if err != nil {
		return nil, err
	}
	if n.own, err = startNATS(orders{Dir: dir, Sync: s.sync}, false); err != nil {
		return nil, err
	}
	return nats.Connect("", nats.InProcessServer(n.own))
}

func (n *natsStage) clear() error {
	if n.own != nil {
		n.own.Shutdown()
		n.own.WaitForShutdown()
	}
	return n.stage.clear()
}
