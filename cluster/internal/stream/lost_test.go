package stream

import (
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// A silentStream plays a stream without a leader to whose subjects somebody listens, as clients
// do to those of results: nobody refuses what is sent, and nobody answers.
type silentStream struct {
	c      *Conn
	p      *Publisher
	copies chan *nats.Msg
	done   chan string // subjects that were answered
}

func newSilentStream(t *testing.T) *silentStream {
	c := startNode(t, nil).connect(t, nil)
	s := &silentStream{c: c, p: newPublisher(t, c), copies: make(chan *nats.Msg, 1000), done: make(chan string, 1000)}
	if _, err := c.Subscribe(c.Names.ResultFilter("me", ""), func(m *nats.Msg) { s.copies <- m }); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *silentStream) subject(chunk int) string {
	return s.c.Names.Result("me", "o", uint64(chunk), -1)
}

func (s *silentStream) publish(t *testing.T, chunk int) *nats.Msg {
	t.Helper()
	subject := s.subject(chunk)
	err := s.p.Publish(subject, "", nil, nil, func(_ uint64, err error) {
		if err != nil {
			t.Errorf("%s: %v", subject, err)
		}
		s.done <- subject
	})
	if err != nil {
		t.Fatal(err)
	}
	for {
		if m := receive(t, s.copies); m.Subject == subject {
			return m
		}
	}
}

func stores(t *testing.T, m *nats.Msg) {
	t.Helper()
	if err := m.Respond([]byte(`{"stream":"FX_default_RESULTS","seq":1}`)); err != nil {
		t.Fatal(err)
	}
}

// untimed has none of the calls sent again because its time is up.
func (s *silentStream) untimed() {
	s.p.exchange.outstanding(func(k *call) bool {
		k.wait = time.Hour
		k.due = time.Now().Add(k.wait)
		return false
	})
}

// TestLost (ST2): what was sent before a message that is stored, and was not answered, is sent
// again at once.
func TestLost(t *testing.T) {
	s := newSilentStream(t)
	const lost = 20
	for i := range lost {
		s.publish(t, i)
	}
	last := s.publish(t, lost)
	s.untimed()
	stores(t, last)
	again := make(map[string]*nats.Msg)
	for late := time.After(patience); len(again) < lost; {
		select {
		case m := <-s.copies:
			again[m.Subject] = m
		case <-late:
			t.Fatalf("%d of %d messages were sent again", len(again), lost)
		}
	}
	for i := range lost {
		stores(t, again[s.subject(i)])
	}
	for range lost + 1 {
		receive(t, s.done)
	}
}

// TestProbe (ST2): while a stream answers nothing its oldest message is sent again now and then,
// and once it is stored the others follow.
func TestProbe(t *testing.T) {
	s := newSilentStream(t)
	first := s.publish(t, 0)
	s.publish(t, 1)
	s.untimed()
	for range 3 {
		if m := receive(t, s.copies); m.Subject != first.Subject {
			t.Errorf("%s is sent again before %s", m.Subject, first.Subject)
		}
	}
	stores(t, receive(t, s.copies))
	var second *nats.Msg
	for late := time.After(patience); second == nil || second.Subject != s.subject(1); {
		select {
		case second = <-s.copies:
		case <-late:
			t.Fatal("the second message does not follow")
		}
	}
	stores(t, second)
	receive(t, s.done)
	receive(t, s.done)
}

// TestRefusalTellsNothing: a refusal, and that a message was there already, come before the
// answers to what was sent earlier. So they do not tell that it is lost, nor does the answer to the
// first copy of a message tell of what was sent between it and the next.
func TestRefusalTellsNothing(t *testing.T) {
	s := newSilentStream(t)
	x := s.p.exchange
	between := s.publish(t, 0)
	for i, text := range []string{
		`{"stream":"FX_default_RESULTS","seq":1,"duplicate": true}`,
		`{"error":{"code":400,"err_code":10077,"description":"maximum messages per subject exceeded"},"stream":"FX_default_RESULTS","seq":0}`,
	} {
		answers := make(chan error, 1)
		subject := s.subject(1 + i)
		if err := s.p.Publish(subject, "", nil, nil, func(_ uint64, err error) { answers <- err }); err != nil {
			t.Fatal(err)
		}
		var m *nats.Msg
		for m == nil || m.Subject != subject {
			m = receive(t, s.copies)
		}
		if err := m.Respond([]byte(text)); err != nil {
			t.Fatal(err)
		}
		receive(t, answers)
	}
	lost := func() int { return len(x.outstanding(func(k *call) bool { return k.place < k.line.reached })) }
	if lost() != 0 {
		t.Error("a refusal makes what was sent before lost")
	}

	first := s.publish(t, 3)
	after := s.publish(t, 4)
	x.again(x.outstanding(func(k *call) bool { return k.msg.Subject == first.Subject }))
	stores(t, first)
	receive(t, s.done)
	for _, k := range x.outstanding(func(k *call) bool { return k.place < k.line.reached }) {
		if k.msg.Subject != between.Subject {
			t.Errorf("%s is taken for lost", k.msg.Subject)
		}
	}
	stores(t, between)
	stores(t, after)
	receive(t, s.done)
	receive(t, s.done)
}

// TestUnheardIsNoDelay (ST2): while nobody listens a message is sent again soon, however often,
// and that makes no later wait longer.
func TestUnheardIsNoDelay(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	p := newPublisher(t, c)
	if err := p.Publish(c.Names.DeadLetter(Default, "me", 1, -1), "", nil, nil, func(uint64, error) {}); err != nil {
		t.Fatal(err)
	}
	x := p.exchange
	until(t, "some copies", func() bool {
		return len(x.outstanding(func(k *call) bool { return k.place > k.token+5 })) > 0
	})
	for _, k := range x.outstanding(func(k *call) bool { return k.wait != callWait }) {
		t.Errorf("the next wait for an answer is %v", k.wait)
	}
}

// TestOrderOfAnswers: a stream answers what it stores in the order in which it was sent, so
// that nothing is sent twice while nothing is lost (ST2).
func TestOrderOfAnswers(t *testing.T) {
	c := startNode(t, nil).connect(t, nil)
	setup(t, c, Layout{})
	p := newPublisher(t, c)
	const messages, window = 10_000, 500
	order, free := make(chan int, messages), make(chan struct{}, window)
	for i := range messages {
		free <- struct{}{}
		err := p.Publish(c.Names.Task(Default, 1, "me", uint64(i), -1), strconv.Itoa(i), nil, []byte("x"), func(_ uint64, err error) {
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
			order <- i
			<-free
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for want := range messages {
		if i := receive(t, order); i != want {
			t.Fatalf("%d is answered, %d was sent before", i, want)
		}
	}
}
