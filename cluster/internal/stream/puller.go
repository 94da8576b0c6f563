package stream

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pullExpires = 5 * time.Second // how long a server keeps a pull request
	pullSlack   = time.Second     // after which one that is over and that nothing was heard of is given up
	pullBusy    = 100 * time.Millisecond
	pollWait    = 2 * time.Second // for the answer to a poll, which comes at once, until it is given up

	// PullExpires is for how long a server may honour a request that Forget has taken back.
	PullExpires = pullExpires
	pullQuiet   = 50 * time.Millisecond // without a message, until it is taken that none is on its way
	pullLanes   = 4
)

// PullerConfig says what to pull, and what to do with it.
type PullerConfig struct {
	Stream, Consumer string

	// Message is called with each message, one after another. The message is the
	// callee's for good.
	Message func(*Message)

	// Failed, if it is set, is called with the reason why requests are refused: the
	// consumer is gone, or the user may not pull from it. The puller goes on asking, with
	// pauses; Failed is called again only after a request was answered well in between.
	Failed func(error)

	// Moved, if it is set, is called when the consumer has another leader, as far as the
	// puller hears of it: it does while it asks for something. The one before may have been
	// lost, and with it what it was told last.
	Moved func()
}

// A Puller gets messages of one consumer: as many as were requested of it, and no
// more (ST3). It stands in for the pull requests behind that, which expire, and get
// lost with connections and servers.
//
// One exception: after a reconnection, or when the consumer's leader seems to be gone, a
// server may still honour requests made before, beside the new ones. So there may be more messages than were requested,
// which later requests make up for.
//
// A message does not tell which request it answers, only the subscription does. So
// there are a few lanes, each a subscription with one request at a time: what a
// request has not brought is known exactly when it ends, and nothing drifts.
type Puller struct {
	conn    *Conn
	config  PullerConfig
	subject string // that requests go to

	calls sync.Mutex // held while Message or done of a poll is called, so that they come one after another

	mu       sync.Mutex // guards what follows
	lanes    [pullLanes + 1]lane
	want     int       // requested and not delivered; negative after too many were
	asked    int       // of these, in requests that the server has
	last     uint64    // token
	notUntil time.Time // no request is sent before
	failed   bool      // Failed was called, and nothing has gone well since
	stopped  bool
	moved    time.Time     // when something was asked for, or came
	moves    chan struct{} // holds one: something came after Stop
}

// pollLane is the lane for Poll.
const pollLane = pullLanes

// A lane is a subscription, and the request whose answers come to it. The request's
// token is part of the reply subject, so that a late answer to an earlier one is not
// mistaken.
type lane struct {
	sub   *nats.Subscription
	inbox string // the token follows
	gone  chan struct{}

	token uint64
	left  int       // messages that have not come; 0: there is no request
	begun time.Time // when it was sent
	due   time.Time // when the request is given up
	done  func(missing int)
}

// NewPuller makes a puller, which asks for nothing yet.
func (c *Conn) NewPuller(config PullerConfig) (*Puller, error) {
	p := &Puller{
		conn:    c,
		config:  config,
		subject: "$JS.API.CONSUMER.MSG.NEXT." + config.Stream + "." + config.Consumer,
		moves:   make(chan struct{}, 1),
	}
	inbox := c.Inbox()
	for i := range p.lanes {
		l := &p.lanes[i]
		l.inbox = inbox + "." + strconv.Itoa(i) + "."
		l.gone = make(chan struct{})
		sub, err := c.subscribe(l.inbox+"*", func(m *nats.Msg) { p.came(i, m) }, func() { close(l.gone) })
		if err != nil {
			for _, l := range p.lanes[:i] {
				_ = l.sub.Unsubscribe() // fails only if the connection is closed, which ends it too
			}
			return nil, err
		}
		l.sub = sub
	}
	c.mu.Lock()
	c.pullers = append(c.pullers, p)
	c.mu.Unlock()
	return p, nil
}

// Request asks for n more messages, however long it takes until there are any.
func (p *Puller) Request(n int) {
	p.mu.Lock()
	p.want += n
	p.ask(time.Now())
}

// Forget takes back what was requested. Of what is asked of the server already some
// may still come, until that expires. It returns how many messages were requested and
// have not come.
func (p *Puller) Forget() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := max(p.want, 0)
	p.want -= was
	return was
}

// Poll asks for at most n messages that are there now, beside what was requested.
// Done is called once they have come or it is known how many are missing, by the
// goroutine that calls Message or another, and not while Message runs. There must be
// one poll at a time. A message that was stored a moment ago may be missing: the server
// counts what a consumer has to deliver after it has acknowledged the message.
func (p *Puller) Poll(n int, done func(missing int)) {
	p.mu.Lock()
	l := &p.lanes[pollLane]
	if l.left > 0 {
		p.mu.Unlock()
		panic("stream: Puller.Poll while another poll is not done")
	}
	if n <= 0 || p.stopped {
		p.mu.Unlock()
		done(n)
		return
	}
	l.done = done
	p.begin(pollLane, n, time.Now().Add(pollWait), pullRequest{Batch: n, NoWait: true})
}

// ask sends a request for what was requested and is in none, once that is at least
// half: a request for each message would double the messages. As long as others are
// asked for, the rest can wait; when none are, all is more than half. Called with mu
// held, it gives it back.
func (p *Puller) ask(now time.Time) {
	missing := p.want - p.asked
	if !p.stopped && missing > 0 && 2*missing >= p.want && !now.Before(p.notUntil) {
		for i := range pullLanes {
			if p.lanes[i].left == 0 {
				p.asked += missing
				p.begin(i, missing, now.Add(pullExpires+pullSlack), pullRequest{Batch: missing, Expires: pullExpires})
				return
			}
		}
	}
	p.mu.Unlock()
}

// begin sends the request of a lane that has none. Called with mu held, it gives it
// back.
func (p *Puller) begin(i, n int, due time.Time, r pullRequest) {
	l := &p.lanes[i]
	p.last++
	token, now := p.last, time.Now()
	l.token, l.left, l.begun, l.due = token, n, now, due
	p.moved = now
	p.mu.Unlock()
	p.conn.sweep.watch()
	reply := l.inbox + strconv.FormatUint(token, 36)
	if err := p.conn.NC.PublishRequest(p.subject, reply, r.encode()); err != nil {
		// Closed, or so long without a connection that nats.go's buffer is full. The sweeper
		// tries again, as it is not to be done from in here.
		p.mu.Lock()
		if l.token == token {
			l.due = time.Now().Add(pullBusy)
		}
		p.mu.Unlock()
	}
}

// came is the callback of a lane's subscription.
func (p *Puller) came(i int, m *nats.Msg) {
	if !strings.HasPrefix(m.Reply, ackPrefix) {
		p.status(i, m)
		return
	}
	message := &Message{Msg: m, conn: p.conn}
	if err := message.parseReply(); err != nil {
		p.conn.log.Error("cluster: a message was delivered that cannot be acknowledged", "server", p.conn.where, "error", err)
		return
	}
	if i == pollLane {
		p.mu.Lock()
		message.Polled = p.lanes[i].left > 0 // or it is more than was asked for
		p.mu.Unlock()
	}
	p.calls.Lock()
	p.config.Message(message) // which may request more, so that one pull request asks for it
	p.calls.Unlock()

	now := time.Now()
	p.mu.Lock()
	p.failed, p.moved = false, now
	if p.stopped {
		select {
		case p.moves <- struct{}{}:
		default:
		}
	}
	l := &p.lanes[i]
	var done func(int)
	switch {
	case l.left == 0: // more than was asked for
		p.want--
	case i == pollLane:
		if l.left--; l.left == 0 {
			done = l.done
		}
	default:
		l.left--
		p.asked--
		p.want--
	}
	p.ask(now)
	if done != nil {
		p.polled(done, 0)
	}
}

// polled calls the function of a poll that is over.
func (p *Puller) polled(done func(missing int), missing int) {
	p.calls.Lock()
	defer p.calls.Unlock()
	done(missing)
}

// status handles the end of a request, of which the server tells with a message
// without data.
func (p *Puller) status(i int, m *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.lanes[i].inbox), 36, 64)
	if err != nil {
		return // nobody's
	}
	var pause time.Duration
	var failure error
	var moved, gone bool // there is another leader; the one that has the earlier requests is none
	text := m.Header.Get("Description")
	switch status := m.Header.Get("Status"); {
	case status == "100": // a heartbeat, which nobody asked for
		return
	case status == "404", status == "408": // no messages, or not so many, in time
	case status == "409" && strings.HasPrefix(text, "Batch Completed"):
	case status == "409" && strings.HasPrefix(text, "Leadership Change"):
		moved, gone = true, true
	case status == noResponders:
		gone = true
		pause, failure = pullBusy, fmt.Errorf("consumer %s of %s: %w", p.config.Consumer, p.config.Stream, ErrNoJetStream)
	case status == "409" && strings.HasPrefix(text, "Server Shutdown"):
		pause = pullBusy
	case status == "409" && strings.HasPrefix(text, "Consumer Deleted"):
		pause, failure = pullBusy, fmt.Errorf("consumer %s of %s: %w", p.config.Consumer, p.config.Stream, ErrDeleted)
	default:
		pause, failure = 10*pullBusy, fmt.Errorf("consumer %s of %s: %s %s", p.config.Consumer, p.config.Stream, status, text)
	}
	p.end(i, token, pause, failure)
	if gone {
		p.gone(token, pause, failure)
	}
	if moved && p.config.Moved != nil {
		p.config.Moved()
	}
}

// gone ends the requests that a leader has that is gone: those that were sent before one that
// says so. The new leader says it only of those that the old one had passed on. A request that
// has just been sent may be the new leader's.
func (p *Puller) gone(token uint64, pause time.Duration, failure error) {
	var ended [len(p.lanes)]uint64
	now := time.Now()
	p.mu.Lock()
	for i := range p.lanes {
		if l := &p.lanes[i]; l.left > 0 && (l.token < token || now.Sub(l.begun) > pullQuiet) {
			ended[i] = l.token
		}
	}
	p.mu.Unlock()
	for i, token := range ended {
		if token != 0 {
			p.end(i, token, pause, failure)
		}
	}
}

// end ends a request that will bring no more. After a pause what it did not bring is
// asked for again.
func (p *Puller) end(i int, token uint64, pause time.Duration, failure error) {
	now := time.Now()
	p.mu.Lock()
	l := &p.lanes[i]
	missing := l.left
	if l.token != token || missing == 0 {
		p.mu.Unlock()
		return // of an earlier request
	}
	l.left = 0
	var done func(int)
	if i == pollLane {
		done = l.done
	} else {
		p.asked -= missing
	}
	if pause > 0 {
		p.notUntil = now.Add(pause)
	}
	tell := failure != nil && !p.failed && p.config.Failed != nil
	p.failed = p.failed && failure == nil && pause > 0 || failure != nil
	p.ask(now)
	if done != nil {
		p.polled(done, missing)
	}
	if tell {
		p.config.Failed(failure)
	}
}

// reconnected takes all requests for lost.
func (p *Puller) reconnected() {
	p.each(func(i int, token uint64, _ time.Time) { p.end(i, token, 0, nil) })
}

// denied handles the server's refusal to let the user ask.
func (p *Puller) denied(subject string, err error) {
	if subject == p.subject {
		p.each(func(i int, token uint64, _ time.Time) { p.end(i, token, 10*pullBusy, err) })
	}
}

// sweep ends the requests that nothing was heard of, and asks after a pause. It
// reports whether there is something to watch.
func (p *Puller) sweep(now time.Time) (more bool) {
	if !p.conn.NC.IsConnected() {
		return true // all begins anew when it is
	}
	p.each(func(i int, token uint64, due time.Time) {
		more = true
		if now.After(due) {
			p.end(i, token, 0, nil)
		}
	})
	p.mu.Lock()
	more = more || p.want > p.asked && !p.stopped
	p.ask(now)
	return more
}

// each calls do for each request that there is.
func (p *Puller) each(do func(i int, token uint64, due time.Time)) {
	for i := range p.lanes {
		p.mu.Lock()
		l := &p.lanes[i]
		token, due, left := l.token, l.due, l.left
		p.mu.Unlock()
		if left > 0 {
			do(i, token, due)
		}
	}
}

// quieten waits until nothing seems to be on its way.
func (p *Puller) quieten() {
	for p.conn.NC.IsConnected() {
		asked := false
		p.each(func(int, uint64, time.Time) { asked = true })
		p.mu.Lock()
		rest := pullQuiet - time.Since(p.moved)
		p.mu.Unlock()
		if !asked || rest <= 0 {
			return
		}
		select {
		case <-p.moves:
		case <-time.After(rest):
		}
	}
}

// Stop asks for no more, has Message called with what is on its way, and returns when
// no callback runs any more. A poll that is not over ends. It must not be called from
// a callback.
//
// A server does not take back what it has begun to send when a subscription ends, and
// that is delivered again when AckWait is over. So Stop waits until all that was asked for
// has come, or nothing has for pullQuiet. To be sure that nothing is sent to nobody, call
// it PullExpires after the last Request and Poll.
func (p *Puller) Stop() {
	p.mu.Lock()
	was := p.stopped
	p.stopped = true
	p.mu.Unlock()
	if !was {
		p.quieten()
		for i := range p.lanes {
			// What the server sent until it took notice is still delivered.
			if err := p.lanes[i].sub.Drain(); err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
				_ = p.lanes[i].sub.Unsubscribe() // there is no connection: nothing is on its way
			}
		}
	}
	for i := range p.lanes {
		<-p.lanes[i].gone
	}
	if !was {
		p.each(func(i int, token uint64, _ time.Time) { p.end(i, token, 0, nil) })
		p.conn.remove(p)
	}
}
