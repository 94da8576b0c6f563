package stream

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

func TestParseAck(t *testing.T) {
	for data, want := range map[string]uint64{
		`{"stream":"FX_default_TASKS","seq":12}`:                              12,
		`{"stream":"FX_default_TASKS","seq":18446744073709551615}`:            18446744073709551615,
		`{"stream":"FX_default_TASKS", "seq": 7, "duplicate":true}`:           7,
		`{"stream":"FX_default_TASKS","seq":3,"duplicate":true,"domain":"d"}`: 3,
	} {
		if seq, err := parseAck("here", &nats.Msg{Data: []byte(data)}); err != nil || seq != want {
			t.Errorf("%s: %d, %v", data, seq, err)
		}
	}
	for data, want := range map[string]string{
		``:                             "does not decode",
		`{"stream":"X","seq":0}`:       "does not decode",
		`{"stream":"X","seq":-1}`:      "does not decode",
		`{"stream":"X"}`:               "does not decode",
		`{"seq":18446744073709551616}`: "does not decode",
		`{"error":`:                    "does not decode",
		`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"X","seq":0}`: "here: maximum messages exceeded (error 10077)",
	} {
		if seq, err := parseAck("here", &nats.Msg{Data: []byte(data)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d, %v", data, seq, err)
		}
	}
	status := &nats.Msg{Header: nats.Header{"Status": {noResponders}}}
	if _, err := parseAck("here", status); !errors.Is(err, ErrNoJetStream) {
		t.Errorf("no responders: %v", err)
	}
}

// TestPublishRefused has each refusal told as what it is.
func TestPublishRefused(t *testing.T) {
	n := startNode(t, func(o *server.Options) { o.MaxPayload = 64 << 10; o.JetStreamMaxStore = 200 << 10 })
	c := n.connect(t, nil)
	setup(t, c, Layout{MaxStored: 3})
	p := newPublisher(t, c)
	result := c.Names.Result("me", "o", 1, -1)
	publish(t, p, result, "", "first")
	for i := range 3 {
		publish(t, p, c.Names.Task(Default, 0, "me", uint64(i), -1), "", "x")
	}
	try := func(subject, data string) error {
		t.Helper()
		_, err := await(t, func(done func(uint64, error)) {
			if err := p.Publish(subject, "", nil, []byte(data), done); err != nil {
				done(0, fmt.Errorf("not sent: %w", err))
			}
		})
		return err
	}

	if err := try(c.Names.Task(Default, 0, "me", 4, -1), "x"); !IsFull(err) || IsTaken(err) || IsStorage(err) || !strings.Contains(err.Error(), n.ClientURL()) {
		t.Errorf("full: %v", err)
	}
	if err := try(result, "second"); !IsTaken(err) || IsFull(err) || IsStorage(err) {
		t.Errorf("a second result: %v", err)
	}
	if s, err := c.GetLast(t.Context(), c.Names.Results(), result); err != nil || string(s.Data) != "first" {
		t.Errorf("the result that counts: %+v, %v", s, err)
	}

	err := try(c.Names.Task(Default, 0, "me", 5, -1), strings.Repeat("x", 64<<10+1))
	size, is := errors.AsType[*SizeError](err)
	if !is || size.Size != 64<<10+1 || size.Limit != 64<<10 || !strings.HasPrefix(err.Error(), "not sent") {
		t.Errorf("too long: %v", err)
	}
	if err := p.Publish("a b", "", nil, nil, func(uint64, error) { t.Error("done was called") }); err == nil {
		t.Error("a malformed subject was sent")
	}

	for i := range 100 {
		if err = try(c.Names.Result("me", "o", uint64(i+10), -1), strings.Repeat("x", 60<<10)); err != nil {
			break
		}
	}
	if !IsStorage(err) || IsFull(err) || IsTaken(err) {
		t.Errorf("the storage is full: %v", err)
	}
	if left := p.Outstanding(); left != 0 {
		t.Errorf("%d without an answer", left)
	}
}

// TestPublishAcrossRestarts (ST1, ST2) publishes while the server is restarted on its
// storage: each message is stored once, and each done called once.
func TestPublishAcrossRestarts(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	var gaps atomic.Int32
	c.OnGap(func() { gaps.Add(1) })

	const messages = 3000
	var mu sync.Mutex
	calls := make([]int, messages)
	sequences := make(map[uint64]int)
	var all sync.WaitGroup
	all.Add(messages)
	enough := make(chan struct{}, messages) // a token for each answer
	go func() {
		for i := range messages {
			err := p.Publish(c.Names.Task(Default, 1, "me", uint64(i), -1), fmt.Sprint("id", i), nil, []byte("x"), func(seq uint64, err error) {
				mu.Lock()
				defer mu.Unlock()
				if calls[i]++; calls[i] > 1 {
					t.Errorf("done of %d is called %d times", i, calls[i])
					return
				}
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
				sequences[seq]++
				all.Done()
				enough <- struct{}{}
			})
			if err != nil {
				t.Errorf("message %d: %v", i, err)
				all.Done()
			}
			if i >= 200 { // a window, so that the restarts fall among them
				<-enough
			}
		}
	}()
	for range 3 {
		before := gaps.Load()
		n.restart(t)
		until(t, "connected again", func() bool { return gaps.Load() > before })
	}
	finished := make(chan struct{})
	go func() { all.Wait(); close(finished) }()
	receive(t, finished)

	info, err := c.JS.Stream(t.Context(), c.Names.Tasks())
	if err != nil {
		t.Fatal(err)
	}
	if stored := info.CachedInfo().State.Msgs; stored != messages {
		t.Errorf("%d messages are stored, want %d", stored, messages)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(sequences) != messages {
		t.Errorf("%d sequence numbers for %d messages", len(sequences), messages)
	}
}

// TestPublishBeforeStream (ST2) publishes what no stream takes yet.
func TestPublishBeforeStream(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	p := newPublisher(t, c)
	answers := make(chan answer[uint64], 2)
	err := p.Publish(c.Names.Task(Default, 1, "me", 1, -1), "id", nil, []byte("x"), func(seq uint64, err error) { answers <- answer[uint64]{seq, err} })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	setup(t, c, Layout{})
	if a := receive(t, answers); a.err != nil || a.value != 1 {
		t.Errorf("%+v", a)
	}
}

// TestCallTimeout (ST1): a call that nobody answers ends, and a late answer is nobody's.
func TestCallTimeout(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	asked := make(chan *nats.Msg, 1)
	if _, err := c.Subscribe("silent", func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 2)
	err := c.api.send("silent", nil, nil, time.Millisecond, func(_ *nats.Msg, err error) { answers <- err })
	if err != nil {
		t.Fatal(err)
	}
	m := receive(t, asked)
	err = receive(t, answers)
	if late, is := errors.AsType[*TimeoutError](err); !is || late.Subject != "silent" || !late.Timeout() {
		t.Errorf("%v", err)
	}
	if err := m.Respond(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answers:
		t.Errorf("done is called again: %v", err)
	default:
	}
}

// TestClose (ST1, ST4) closes a connection with calls and a publication that have no
// answer.
func TestClose(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	if _, err := c.Subscribe(c.Names.Keep("me"), func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t, c)
	var outcomes []error // not guarded: Close returns after the last
	const calls = 10
	for range calls {
		if err := p.Publish(c.Names.Keep("me"), "", nil, nil, func(_ uint64, err error) { outcomes = append(outcomes, err) }); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	if len(outcomes) != calls || slices.ContainsFunc(outcomes, func(err error) bool { return !errors.Is(err, ErrClosed) }) {
		t.Errorf("outcomes: %v", outcomes)
	}
	if err := p.Publish(c.Names.Keep("me"), "", nil, nil, func(uint64, error) { t.Error("done was called") }); !errors.Is(err, ErrClosed) {
		t.Errorf("Publish: %v", err)
	}
	if _, err := c.Call(t.Context(), "$JS.API.INFO", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Call: %v", err)
	}
	if _, err := c.NewPublisher(); !errors.Is(err, ErrClosed) {
		t.Errorf("NewPublisher: %v", err)
	}
	if _, err := c.NewPuller(PullerConfig{}); !errors.Is(err, ErrClosed) {
		t.Errorf("NewPuller: %v", err)
	}
	select {
	case <-c.Done():
	default:
		t.Error("Done is open")
	}
	c.Close()
}

// TestFault ends calls when the server ends the connection for good.
func TestFault(t *testing.T) {
	between := startProxy(t, startNode(t, nil).Addr().String())
	c := between.connect(t)
	if _, err := c.Subscribe("silent", func(*nats.Msg) {}); err != nil {
		t.Fatal(err)
	}
	answers := make(chan error, 1)
	c.Go("silent", nil, func(_ []byte, err error) { answers <- err })
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	between.inject("-ERR 'Maximum Payload Violation'\r\n")
	if err := receive(t, answers); !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "Maximum Payload") {
		t.Errorf("%v", err)
	}
	receive(t, c.Done())
}

func TestPermissionDenied(t *testing.T) {
	n := startNode(t, func(o *server.Options) {
		names := testNames(t, "")
		p := names.Permissions(Client)
		o.Users = []*server.User{{Username: "u", Password: "p", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: p.Publish},
			Subscribe: &server.SubjectPermission{Allow: p.Subscribe},
		}}}
	})
	c := n.connect(t, func(c *Config) { c.User, c.Password = "u", "p" })
	denied := make(chan error, 10)
	c.OnDenied(func(err error) { denied <- err })
	p := newPublisher(t, c)
	subject := c.Names.Result("me", "o", 1, -1)
	_, err := await(t, func(done func(uint64, error)) {
		if err := p.Publish(subject, "", nil, nil, done); err != nil {
			done(0, err)
		}
	})
	refused, is := errors.AsType[*PermissionError](err)
	if !is || refused.Subject() != subject || !strings.Contains(err.Error(), "user u") {
		t.Errorf("Publish: %v", err)
	}
	if err := receive(t, denied); err == nil {
		t.Error("OnDenied without a reason")
	}
	if _, err := c.Call(t.Context(), "$JS.API.STREAM.DELETE."+c.Names.Tasks(), nil); err == nil || !strings.Contains(err.Error(), "ermission") {
		t.Errorf("Call: %v", err)
	}
	failed := make(chan error, 1)
	q, err := c.NewPuller(PullerConfig{Stream: c.Names.Tasks(), Consumer: "x", Message: func(*Message) {}, Failed: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	q.Request(1)
	if _, is := errors.AsType[*PermissionError](receive(t, failed)); !is {
		t.Errorf("Puller: %v", err)
	}
	q.Stop()
}

// A brittle provider gives out connections of which the first breaks when more than limit bytes
// are written at once.
type brittle struct {
	pipes *Pipes
	limit int
	first sync.Once
	broke atomic.Bool
}

func (b *brittle) InProcessConn() (net.Conn, error) {
	conn, err := b.pipes.InProcessConn()
	b.first.Do(func() { conn = &breaking{conn, b} })
	return conn, err
}

type breaking struct {
	net.Conn
	brittle *brittle
}

func (c *breaking) Write(b []byte) (int, error) {
	if len(b) > c.brittle.limit {
		c.brittle.broke.Store(true)
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

// TestBrokenWrite (ST2): what is too long for nats.go's buffer is written while it is published. If
// the connection breaks there it is sent again like anything else.
func TestBrokenWrite(t *testing.T) {
	n := startNode(t, nil)
	b := &brittle{pipes: n.pipes, limit: 100 << 10}
	c := n.connect(t, func(c *Config) { c.URL, c.InProcess = "", b })
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	outcome := make(chan error, 1)
	err := p.Publish(task(c, 1), "1", nil, make([]byte, 200<<10), func(_ uint64, err error) { outcome <- err })
	if err != nil {
		t.Fatal(err)
	}
	if err := receive(t, outcome); err != nil {
		t.Error(err)
	}
	if !b.broke.Load() {
		t.Error("no connection broke")
	}
}
