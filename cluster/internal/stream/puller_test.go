package stream

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// pull makes a puller of the normal level of the queue "default", whose messages go
// to a channel.
func pull(t testing.TB, c *Conn, failed func(error)) (*Puller, <-chan *Message) {
	t.Helper()
	messages := make(chan *Message, 100_000)
	p, err := c.NewPuller(PullerConfig{
		Stream: c.Names.Tasks(), Consumer: c.Names.Consumer(Default, 1),
		Message: func(m *Message) { messages <- m },
		Failed:  failed,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p, messages
}

func task(c *Conn, i int) string { return c.Names.Task(Default, 1, "me", uint64(i), -1) }

func TestPull(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	q, messages := pull(t, c, nil)

	q.Request(2)
	first := publish(t, p, task(c, 1), "", "one")
	m := receive(t, messages)
	if m.Sequence != first || m.Delivered != 1 || m.Subject != task(c, 1) || string(m.Data) != "one" || m.Pending != 0 || time.Since(m.Stored).Abs() > time.Hour {
		t.Errorf("%+v", m)
	}
	// Handed back it is delivered again, as what was delivered twice.
	if err := m.Nak(0); err != nil {
		t.Fatal(err)
	}
	if m = receive(t, messages); m.Sequence != first || m.Delivered != 2 {
		t.Errorf("after a Nak: %+v", m)
	}
	if err := m.AckSync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetLast(t.Context(), c.Names.Tasks(), task(c, 1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("acknowledged, it is still there: %v", err)
	}

	// Nobody asked for more.
	second := publish(t, p, task(c, 2), "", "two")
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case m := <-messages:
		t.Fatalf("not requested: %+v", m)
	default:
	}
	missing := make(chan int, 1)
	until(t, "the consumer has counted the message", func() bool {
		q.Poll(5, func(n int) { missing <- n })
		n := receive(t, missing)
		if n != 4 && n != 5 {
			t.Errorf("the poll misses %d, want 4", n)
		}
		return n == 4
	})
	if m = receive(t, messages); m.Sequence != second {
		t.Errorf("%+v", m)
	}
	if err := m.Progress(); err != nil {
		t.Error(err)
	}
	if err := m.Term("it is poison\r\n"); err != nil {
		t.Error(err)
	}
	until(t, "it is gone", func() bool {
		_, err := c.GetLast(t.Context(), c.Names.Tasks(), task(c, 2))
		return errors.Is(err, ErrNotFound)
	})
	q.Poll(1, func(n int) { missing <- n })
	if n := receive(t, missing); n != 1 {
		t.Errorf("with an empty queue the poll misses %d, want 1", n)
	}
}

func TestNakDelay(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	q, messages := pull(t, c, nil)
	publish(t, newPublisher(t, c), task(c, 1), "", "x")
	q.Request(2)
	m := receive(t, messages)
	before := time.Now()
	const delay = 100 * time.Millisecond
	if err := m.Nak(delay); err != nil {
		t.Fatal(err)
	}
	if m = receive(t, messages); m.Delivered != 2 || time.Since(before) < delay {
		t.Errorf("%+v after %v", m, time.Since(before))
	}
}

// TestLease has a message delivered again when nobody says that it is worked on, and
// not before.
func TestLease(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	const lease = 500 * time.Millisecond
	setup(t, c, Layout{Lease: lease})
	q, messages := pull(t, c, nil)
	publish(t, newPublisher(t, c), task(c, 1), "", "x")
	q.Request(2)
	m := receive(t, messages)
	began := time.Now()
	for time.Since(began) < 2*lease {
		if err := m.Progress(); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-messages:
			t.Fatalf("delivered again after %v: %+v", time.Since(began), m)
		case <-time.After(lease / 5):
		}
	}
	if m = receive(t, messages); m.Delivered != 2 {
		t.Errorf("%+v", m)
	}
}

// TestPullAsksForNoMore (ST3) listens to what a puller asks for: with what has come, it
// is never more than was requested.
func TestPullAsksForNoMore(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	setup(t, c, Layout{})
	var asked atomic.Int64
	listener := n.connect(t, nil)
	if _, err := listener.Subscribe("$JS.API.CONSUMER.MSG.NEXT.>", func(m *nats.Msg) {
		var r pullRequest
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Error(err)
		}
		asked.Add(int64(r.Batch))
	}); err != nil {
		t.Fatal(err)
	}
	if err := listener.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := newPublisher(t, c)
	q, messages := pull(t, c, nil)
	const tasks, slots = 2000, 7
	q.Request(slots)
	requested := int64(slots)
	for i := range tasks {
		publish(t, p, task(c, i), "", "x")
		m := receive(t, messages)
		if err := m.Ack(); err != nil {
			t.Fatal(err)
		}
		q.Request(1)
		requested++
		if i%100 == 0 {
			if err := errors.Join(c.Fence(t.Context()), listener.Fence(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		if a := asked.Load(); a > requested {
			t.Fatalf("asked for %d, requested were %d", a, requested)
		}
	}
	until(t, "the listener hears of all", func() bool { return asked.Load() >= tasks })
	if was := q.Forget(); was != slots {
		t.Errorf("Forget: %d, want %d", was, slots)
	}
	if was := q.Forget(); was != 0 {
		t.Errorf("Forget again: %d", was)
	}
}

// TestPullNeverStalls (ST3) is the watchdog: several pullers with few slots each, and
// several publishers, until every message has come once.
func TestPullNeverStalls(t *testing.T) {
	tasks := 300_000
	if testing.Short() {
		tasks = 30_000
	}
	n := startNode(t, func(o *server.Options) { o.DontListen = true })
	inProcess := func(c *Config) { c.URL, c.InProcess = "", n.pipes }
	setup(t, n.connect(t, inProcess), Layout{Memory: true})

	var done atomic.Int64
	seen := make([]atomic.Int32, tasks)
	finished := make(chan struct{})
	for slots := range 4 {
		c := n.connect(t, inProcess)
		var q *Puller
		q, err := c.NewPuller(PullerConfig{
			Stream: c.Names.Tasks(), Consumer: c.Names.Consumer(Default, 1),
			Message: func(m *Message) {
				s, err := c.Names.ParseTask(m.Subject)
				if err != nil || s.Chunk >= uint64(tasks) {
					t.Errorf("%s: %v", m.Subject, err)
					return
				}
				if n := seen[s.Chunk].Add(1); n > 1 {
					t.Errorf("%s has come %d times", m.Subject, n)
				}
				if err := m.Ack(); err != nil {
					t.Error(err)
				}
				q.Request(1)
				if done.Add(1) == int64(tasks) {
					close(finished)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(q.Stop)
		q.Request(1 + slots*slots*20) // 1, 21, 81, 181
	}

	const publishers = 3
	var publishing sync.WaitGroup
	defer publishing.Wait()
	for k := range publishers {
		c := n.connect(t, inProcess)
		p := newPublisher(t, c)
		publishing.Go(func() {
			window := make(chan struct{}, 200)
			for i := k; i < tasks; i += publishers {
				window <- struct{}{}
				if err := p.Publish(task(c, i), "", nil, []byte("x"), func(_ uint64, err error) {
					if err != nil {
						t.Error(err)
					}
					<-window
				}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	last, at := int64(-1), time.Now()
	for {
		select {
		case <-finished:
			return
		case <-time.After(100 * time.Millisecond):
		}
		if now := done.Load(); now != last {
			last, at = now, time.Now()
		} else if time.Since(at) > patience/2 {
			t.Fatalf("nothing has come for %v, after %d of %d", time.Since(at), now, tasks)
		}
	}
}

// TestPullAcrossRestarts (ST3) restarts the server while messages are pulled, and
// while a request waits.
func TestPullAcrossRestarts(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	setup(t, c, Layout{Lease: time.Second}) // what was on its way comes again soon
	p := newPublisher(t, c)
	q, messages := pull(t, c, nil)
	var gaps atomic.Int32
	c.OnGap(func() { gaps.Add(1) })
	q.Request(3)
	for round := range 3 {
		n.restart(t)
		until(t, "connected again", func() bool { return gaps.Load() > int32(round) })
		for i := range 100 {
			publish(t, p, task(c, 1000*round+i), "", "x")
		}
		come := make(map[string]bool)
		for len(come) < 100 {
			m := receive(t, messages)
			if err := m.AckSync(t.Context()); err != nil {
				t.Fatal(err)
			}
			come[m.Subject] = true
			q.Request(1)
		}
	}
}

// TestPullLost (ST3) has requests lost on their way: they are made again when they
// would have expired.
func TestPullLost(t *testing.T) {
	n := startNode(t, nil)
	other := n.connect(t, nil)
	setup(t, other, Layout{})
	between := startProxy(t, n.Addr().String())
	c := between.connect(t)
	q, messages := pull(t, c, nil)
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	between.lose(true)
	q.Request(1)
	missing := make(chan int, 1)
	q.Poll(1, func(n int) { missing <- n })
	if n := receive(t, missing); n != 1 { // after pollWait: both requests were lost
		t.Errorf("the poll misses %d", n)
	}
	between.lose(false)
	publish(t, newPublisher(t, other), task(c, 1), "", "x")
	if m := receive(t, messages); m.Delivered != 1 {
		t.Errorf("%+v", m)
	}
}

// TestPullWithoutConsumer (ST3) goes on when a consumer is deleted and made again.
func TestPullWithoutConsumer(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	failures := make(chan error, 100)
	q, messages := pull(t, c, func(err error) { failures <- err })
	q.Request(1)
	if err := c.Fence(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := c.Names.Consumer(Default, 1)
	if err := c.JS.DeleteConsumer(t.Context(), c.Names.Tasks(), name); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, failures); !errors.Is(err, ErrDeleted) && !errors.Is(err, ErrNoJetStream) || !strings.Contains(err.Error(), name) {
		t.Errorf("Failed: %v", err)
	}
	setup(t, c, Layout{})
	publish(t, newPublisher(t, c), task(c, 1), "", "x")
	receive(t, messages)
	select {
	case err := <-failures:
		t.Errorf("Failed is called again: %v", err)
	default:
	}
}

// TestStop has what is on its way delivered, and nothing after.
func TestStop(t *testing.T) {
	n := startNode(t, nil)
	c := n.connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	const tasks = 500
	for i := range tasks {
		publish(t, p, task(c, i), "", "x")
	}
	var came int // not guarded: Stop returns after the last
	first := make(chan struct{})
	q, err := c.NewPuller(PullerConfig{Stream: c.Names.Tasks(), Consumer: c.Names.Consumer(Default, 1), Message: func(*Message) {
		if came++; came == 1 {
			close(first)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	q.Request(tasks)
	receive(t, first)
	q.Stop()
	consumer, err := c.JS.Consumer(t.Context(), c.Names.Tasks(), c.Names.Consumer(Default, 1))
	if err != nil {
		t.Fatal(err)
	}
	if pending := consumer.CachedInfo().NumAckPending; pending != came {
		t.Errorf("the server has delivered %d, and %d have come", pending, came)
	}
	q.Request(1)
	missing := -1
	q.Poll(3, func(n int) { missing = n })
	if missing != 3 {
		t.Errorf("a poll after Stop misses %d, want 3", missing)
	}
	q.Stop()
}

// TestPullLeaderGone (ST3): who hears that a consumer has no leader, or another one, takes
// earlier requests for lost. That they bring nothing the leader cannot say that had them.
func TestPullLeaderGone(t *testing.T) {
	for _, says := range []string{"NATS/1.0 503\r\n\r\n", "NATS/1.0 409 Leadership Change\r\n\r\n"} {
		t.Run(strings.Fields(says)[1], func(t *testing.T) {
			c := startNode(t, nil).connect(t, nil)
			requests, moved := make(chan *nats.Msg, 100), make(chan struct{}, 100)
			q, err := c.NewPuller(PullerConfig{Stream: "S", Consumer: "C", Message: func(*Message) {}, Moved: func() { moved <- struct{}{} }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(q.Stop)
			if _, err := c.Subscribe(q.subject, func(m *nats.Msg) { requests <- m }); err != nil {
				t.Fatal(err)
			}
			q.Request(4)
			receive(t, requests)
			q.Request(8)
			receive(t, requests)
			missing := make(chan int, 1)
			q.Poll(1, func(n int) { missing <- n })
			poll := receive(t, requests)
			q.mu.Lock()
			for i := range q.lanes {
				q.lanes[i].due = time.Now().Add(time.Hour) // none is given up for its time
			}
			q.mu.Unlock()
			header, err := nats.DecodeHeadersMsg([]byte(says))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.NC.PublishMsg(&nats.Msg{Subject: poll.Reply, Header: header}); err != nil {
				t.Fatal(err)
			}
			if n := receive(t, missing); n != 1 {
				t.Errorf("the poll misses %d", n)
			}
			all := 0
			for all < 12 { // in one request or in several
				var r pullRequest
				if err := json.Unmarshal(receive(t, requests).Data, &r); err != nil {
					t.Fatal(err)
				}
				all += r.Batch
			}
			q.mu.Lock()
			defer q.mu.Unlock()
			if all != 12 || q.want != 12 || q.asked != 12 {
				t.Errorf("%d messages are asked for, and %d, %d are said to be, want 12", all, q.asked, q.want)
			}
			switch {
			case says[9] == '4':
				receive(t, moved)
			case len(moved) > 0:
				t.Error("told that there is another leader, and there is none")
			}
		})
	}
}

func TestPollTwice(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	q, _ := pull(t, c, nil)
	silent := make(chan struct{})
	if _, err := c.Subscribe(q.subject, func(*nats.Msg) { <-silent }); err != nil {
		t.Fatal(err)
	}
	defer close(silent)
	q.Poll(1, func(int) {})
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "Poll") {
			t.Errorf("recovered %v", r)
		}
	}()
	q.Poll(1, func(int) {})
}
