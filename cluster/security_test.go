package cluster

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster/internal/stream"
)

// guarded starts a server with a client and a worker of the namespace "shop" and a
// client of another one, who has a key.
func guarded(t *testing.T) (client, worker, other Connection) {
	t.Helper()
	key, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, ServerOptions{Listen: "127.0.0.1:0", Users: []User{
		{Name: "carol", Password: "c", Namespace: "shop", Role: ClientRole},
		{Name: "wendy", Password: "w", Namespace: "shop", Role: WorkerRole},
		{NKey: public, Namespace: "elsewhere", Role: BothRoles},
	}})
	return Connection{URL: s.URL(), User: "carol", Password: "c", Namespace: "shop"},
		Connection{URL: s.URL(), User: "wendy", Password: "w", Namespace: "shop"},
		Connection{URL: s.URL(), NKeyFile: file, Namespace: "elsewhere"}
}

// TestRolesCan does with each role's permissions, and no others, what the role does.
func TestRolesCan(t *testing.T) {
	asClient, asWorker, asOther := guarded(t)
	client, worker := connectTo(t, asClient, stream.Client), connectTo(t, asWorker, stream.Worker)
	refused := make(chan error, 100)
	for _, c := range []*stream.Conn{client, worker} {
		c.OnDenied(func(err error) { refused <- err })
	}
	ctx, cancel := context.WithTimeout(t.Context(), serverPatience)
	defer cancel()
	names := client.Names
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("streams", client.Setup(ctx, stream.Layout{}))
	check("streams that exist", client.Setup(ctx, stream.Layout{}))
	check("consumers", worker.SetupConsumers(ctx, 0, []string{"q"}))
	_, err := worker.Lease(ctx, []string{"q"})
	check("lease", err)

	results, notices, cancels := make(chan *nats.Msg, 10), make(chan *nats.Msg, 10), make(chan *nats.Msg, 10)
	for _, s := range []struct {
		conn    *stream.Conn
		subject string
		to      chan *nats.Msg
	}{
		{client, names.ResultFilter("me", ""), results},
		{client, names.Notice("me"), notices},
		{worker, names.Cancel(), cancels},
		{worker, names.Have(), cancels},
	} {
		_, err := s.conn.Subscribe(s.subject, func(m *nats.Msg) { s.to <- m })
		check(s.subject, err)
		check("fence", s.conn.Fence(ctx))
	}

	task := names.Task("q", 1, "me", 1, -1)
	check("a task", store(t, client, task))
	check("a sentinel", store(t, client, names.Keep("me")))
	messages := make(chan *stream.Message, 10)
	puller, err := worker.NewPuller(stream.PullerConfig{
		Stream: names.Tasks(), Consumer: names.Consumer("q", 1),
		Message: func(m *stream.Message) { messages <- m },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer puller.Stop()
	puller.Request(2)
	m := within(t, messages)
	check("progress", m.Progress())
	check("a notice", worker.NC.Publish(names.Notice("me"), nil))
	within(t, notices)
	check("a result", store(t, worker, names.Result("me", "o", 1, -1)))
	within(t, results)
	check("an acknowledgement", m.AckSync(ctx))
	check("a task that is handed back", store(t, worker, names.Task("q", 1, "me", 1, 0)))
	check("handing back", within(t, messages).AckSync(ctx))
	check("a dead letter", store(t, worker, names.DeadLetter("q", "me", 1, -1)))
	_, err = client.GetNext(ctx, names.Dead(), strings.TrimSuffix(names.DeadLetter("q", "me", 1, -1), "1")+">", 1)
	check("reading it", err)
	check("presence", store(t, worker, "$KV."+names.Workers()+".me"))
	_, err = client.GetLast(ctx, names.Results(), names.Result("me", "o", 1, -1))
	check("reading a result", err)
	_, err = worker.GetLast(ctx, names.Results(), names.Result("me", "o", 1, -1))
	check("seeing a result", err)

	blob := make([]byte, 300<<10)
	for _, pair := range [][2]*stream.Conn{{client, worker}, {worker, client}} {
		check("a blob", pair[0].PutBlob(ctx, "b", blob))
		_, err = pair[1].GetBlob(ctx, "b", int64(len(blob)))
		check("reading it", err)
		parts := make(chan error, 1)
		pair[1].RemoveBlob("b", func(_ uint64, err error) { parts <- err })
		check("removing it", within(t, parts))
	}

	outcome := make(chan error, 1)
	header := stream.ScheduleHeader(time.Now().Add(time.Hour), names.Due("q", 1, "me", 2))
	publisher, err := client.NewPublisher()
	if err != nil {
		t.Fatal(err)
	}
	check("delaying", publisher.Publish(names.At("me", 2), "", header, nil, func(_ uint64, err error) { outcome <- err }))
	check("delayed", within(t, outcome))
	delayed, err := client.GetLast(ctx, names.Later(), names.At("me", 2))
	check("finding it", err)
	for s, sequence := range map[string]uint64{names.Later(): delayed.Sequence, names.Tasks(): 1, names.Dead(): 1} {
		client.Delete(s, sequence, func(_ bool, err error) { outcome <- err })
		check("deleting from "+s, within(t, outcome))
	}
	for s, filter := range map[string]string{
		names.Results(): names.ResultFilter("me", "o"), names.Later(): names.At("me", 2), names.Tasks(): names.TasksOf("me"),
	} {
		client.Purge(s, filter, func(_ uint64, err error) { outcome <- err })
		check("purging "+s, within(t, outcome))
	}
	_, err = client.Call(ctx, "$JS.API.CONSUMER.INFO."+names.Tasks()+"."+names.Consumer("q", 1), nil)
	check("consumer", err)

	check("cancel", client.NC.Publish(names.Cancel(), nil))
	within(t, cancels)
	answers := make(chan *nats.Msg, 10)
	inbox := client.Inbox()
	_, err = client.Subscribe(inbox, func(m *nats.Msg) { answers <- m })
	check("inbox", err)
	check("question", client.NC.PublishRequest(names.Have(), inbox, nil))
	check("answer", within(t, cancels).Respond(nil))
	within(t, answers)

	other := connectTo(t, asOther, stream.Client)
	check("another namespace", other.Setup(ctx, stream.Layout{}))
	select {
	case err := <-refused:
		t.Errorf("refused: %v", err)
	default:
	}
}

// TestRolesTogether runs tasks of a pool and a worker that have no other permissions.
func TestRolesTogether(t *testing.T) {
	asClient, asWorker, _ := guarded(t)
	together(t, asClient, asWorker)
}

// together runs tasks of each kind of a pool and a worker, and neither may have anything to
// complain about.
func together(t *testing.T, asClient, asWorker Connection) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var log lines
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, ServeOptions{Connection: asWorker, Logger: logger}) }()
	pool, err := Connect(ctx, Options{Connection: asClient, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 600<<10) // as argument and result a blob
	fs := []*futures.Future[string]{
		sameText.Submit(ctx, pool, "short"),
		sameText.Submit(ctx, pool, long),
		sameText.Submit(ctx, pool, "late", futures.Delay(300*time.Millisecond)),
	}
	for i, want := range []string{"short", long, "late"} {
		if got, err := fs[i].Result(ctx); err != nil || got != want {
			t.Errorf("task %d: %d bytes, %v", i, len(got), err)
		}
	}
	cancelled := sameText.Submit(ctx, pool, "never", futures.Delay(time.Hour))
	if _, err := pool.ID(ctx, cancelled); err != nil {
		t.Error(err)
	}
	if !cancelled.Cancel() {
		t.Error("not cancelled")
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if err := within(t, served); err != nil {
		t.Error(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, l := range log.all {
		t.Errorf("logged: %s", l)
	}
}

var sameText = futures.Define("security.same", func(_ context.Context, s string) (string, error) { return s, nil })

func within[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(serverPatience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// TestRolesCannot tries with each role's permissions what is not its business: the
// server refuses each.
func TestRolesCannot(t *testing.T) {
	asClient, asWorker, asOther := guarded(t)
	client, worker, other := connectTo(t, asClient, stream.Client), connectTo(t, asWorker, stream.Worker), connectTo(t, asOther, stream.Client)
	if err := client.Setup(t.Context(), stream.Layout{}); err != nil {
		t.Fatal(err)
	}
	n := client.Names
	api := "$JS.API."
	for who, c := range map[string]struct {
		conn               *stream.Conn
		publish, subscribe []string
	}{
		"client": {client,
			[]string{
				api + "CONSUMER.MSG.NEXT." + n.Tasks() + ".q_1",       // pull
				api + "CONSUMER.CREATE." + n.Tasks() + ".q_1.x",       // take tasks in another way
				api + "CONSUMER.DURABLE.CREATE." + n.Tasks() + ".q_1", //
				"$JS.ACK." + n.Tasks() + ".q_1.1.1.1.1.0",             // acknowledge
				n.Result("me", "o", 1, -1),                            // forge results
				n.DeadLetter("q", "me", 1, -1),                        // and dead letters
				n.Due("q", 1, "me", 1),                                //
				"$KV." + n.Workers() + ".me",                          // and workers
				api + "STREAM.DELETE." + n.Tasks(), api + "STREAM.UPDATE." + n.Tasks(), api + "STREAM.PURGE." + n.Dead(),
				api + "STREAM.NAMES", api + "STREAM.LIST", api + "STREAM.CREATE.other", "$SYS.REQ.SERVER.PING",
				"fx.elsewhere.q.q.1.me.1", api + "DIRECT.GET.FX_elsewhere_RESULTS.x", // another namespace
				"fx.shop.i.worker.x", // answer in the server's stead
			},
			[]string{"fx.shop.q.>", "fx.shop.i.worker.>", "fx.shop.c.*", "fx.elsewhere.r.>", "fx.shop.>", ">", "$JS.>", "_INBOX.>", "fx.shop.dead.>"},
		},
		"worker": {worker,
			[]string{
				n.At("me", 1), n.Keep("me"), n.Cancel(), n.Have(), // be a client
				api + "STREAM.MSG.DELETE." + n.Tasks(), api + "STREAM.PURGE." + n.Tasks(), api + "STREAM.PURGE." + n.Results(),
				api + "STREAM.CREATE." + n.Tasks(), api + "STREAM.DELETE." + n.Tasks(), api + "STREAM.UPDATE." + n.Tasks(),
				api + "DIRECT.GET." + n.Tasks() + ".x", api + "DIRECT.GET." + n.Dead() + ".x",
				api + "CONSUMER.DELETE." + n.Tasks() + ".q_1", api + "CONSUMER.CREATE." + n.Results() + ".x",
				"fx.elsewhere.r.me.o.1", "$JS.ACK.FX_elsewhere_TASKS.q_1.1.1.1.1.0", "$SYS.REQ.SERVER.PING",
				"fx.shop.i.client.x",
			},
			[]string{"fx.shop.r.>", "fx.shop.n.*", "fx.shop.i.client.>", "fx.shop.q.>", "fx.elsewhere.c.*", ">", "$JS.>", "_INBOX.>"},
		},
		"another namespace": {other,
			[]string{"fx.shop.q.q.1.me.1", "fx.shop.c.cancel", api + "STREAM.INFO." + n.Tasks(), api + "DIRECT.GET." + n.Results() + ".x", "$JS.ACK." + n.Tasks() + ".q_1.1.1.1.1.0"},
			[]string{"fx.shop.r.>", "fx.shop.n.*", "fx.shop.i.client.>", "fx.*.r.>"},
		},
	} {
		t.Run(who, func(t *testing.T) {
			refused := make(chan string, 100)
			c.conn.OnDenied(func(err error) {
				if e, is := errors.AsType[*stream.PermissionError](err); is {
					refused <- e.Subject()
				}
			})
			for _, s := range c.publish {
				if err := c.conn.NC.Publish(s, nil); err != nil {
					t.Fatal(err)
				}
				if got := within(t, refused); got != s {
					t.Errorf("publish %s: refused was %s", s, got)
				}
			}
			for _, s := range c.subscribe {
				sub, err := c.conn.Subscribe(s, func(*nats.Msg) {})
				if err != nil {
					t.Fatal(err)
				}
				if got := within(t, refused); got != s {
					t.Errorf("subscribe %s: refused was %s", s, got)
				}
				_ = sub.Unsubscribe() // the server did not take it
			}
		})
	}
}
