package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	callWait  = 5 * time.Second        // for an answer, until a call fails or a message is sent again
	busyWait  = 100 * time.Millisecond // until a message is sent again to a server that was not ready
	longest   = 30 * time.Second       // between two sendings to a server that does not answer
	sweepEach = 50 * time.Millisecond

	// While a stream answers nothing its oldest message is sent again so often. It is the one
	// that tells when there is a leader again; see line.
	probeEach = 500 * time.Millisecond

	complainAfter = 10 * time.Second // that nobody listens
)

// A call is a message that is to be answered.
type call struct {
	token uint64
	msg   nats.Msg // as it is sent at first; Reply is made from the token
	line  *line    // nil: nothing is known of the order of its answers
	done  func(*nats.Msg, error)
	begun time.Time

	// Guarded by exchange.mu.
	place   uint64    // of its last copy among all that was sent
	sent    time.Time // the last copy
	due     time.Time // fails, or is sent again
	wait    time.Duration
	unheard bool // nobody listened to the last copy
}

// A line is the calls whose messages one stream takes. Its leader stores them, and says so, in
// the order in which one connection has sent them: so what was sent before a message that is
// stored, and has no answer, has got lost and is sent again at once. That is how it is with a
// leader that was killed: what it had not passed on is gone with it, and so is what is sent
// until there is another one, as far as somebody listens to its subject beside the stream and
// the server does not say that nobody does. An election takes seconds, and sometimes another
// one, so that to wait until the time of each message is up would cost up to as much again, or
// with growing waits a multiple.
//
// Only what is stored is in that order: a refusal, or that a message was there already, is
// answered before others that were sent earlier are stored.
//
// It is guarded by exchange.mu.
type line struct {
	reached uint64    // the last place that is stored
	answers uint64    // of whatever kind
	seen    uint64    // of them, by the sweeper
	quiet   time.Time // since when there was none
	oldest  *call     // the sweeper's
}

// An exchange sends messages and finds the answers' owners. All answers come to one
// subscription. The owner of a call is whoever takes it out of pending (ST1).
type exchange struct {
	conn   *Conn
	prefix string // of reply subjects; the token follows
	repeat bool   // a call without an answer is sent again, else it fails

	mu      sync.Mutex // guards what follows
	pending map[uint64]*call
	lines   map[string]*line // by what Names.stream tells of the subject
	last    uint64           // place, which is a call's token too if it is that of its first copy
	closed  bool
	refused error // the user may not have answers, as the server has said since it was connected

	complained time.Time // when it was last told that nobody listens
}

// newExchange makes an exchange whose messages are sent again until they are
// answered, or fail when callWait is over.
func (c *Conn) newExchange(repeat bool) (*exchange, error) {
	x := &exchange{conn: c, prefix: c.Inbox() + ".", repeat: repeat, pending: make(map[uint64]*call), lines: make(map[string]*line)}
	if _, err := c.Subscribe(x.prefix+"*", x.answered); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.exchanges = append(c.exchanges, x)
	c.mu.Unlock()
	return x, nil
}

// send sends a message, and has done called with the answer. What it returns an error
// for was not sent, and done is not called.
func (x *exchange) send(subject string, header nats.Header, data []byte, wait time.Duration, done func(*nats.Msg, error)) error {
	// Checked here, as a message that cannot be sent must not wait for an answer.
	if limit := x.conn.MaxPayload(); int64(len(data)) > limit {
		return &SizeError{Subject: subject, Size: len(data), Limit: limit}
	}
	now := time.Now()
	k := &call{done: done, begun: now, sent: now, due: now.Add(wait), wait: wait}
	k.msg = nats.Msg{Subject: subject, Header: header, Data: data}
	x.mu.Lock()
	if x.closed || x.refused != nil {
		defer x.mu.Unlock()
		if x.closed {
			return ErrClosed
		}
		return x.refused
	}
	x.last++
	k.token, k.place = x.last, x.last
	k.msg.Reply = x.reply(k.token, k.place)
	if x.repeat {
		k.line = x.lineOf(subject)
	}
	x.pending[k.token] = k
	x.mu.Unlock()
	x.conn.sweep.watch()
	if err := x.publish(&k.msg); err != nil {
		if x.take(k.token) == nil {
			return nil // somebody else has told done already
		}
		return err
	}
	return nil
}

// lineOf returns the line of a subject. The caller holds mu.
func (x *exchange) lineOf(subject string) *line {
	stream := x.conn.Names.stream(subject)
	l := x.lines[stream]
	if l == nil && stream != "" {
		l = &line{quiet: time.Now()}
		x.lines[stream] = l
	}
	return l
}

// publish gives a message to nats.go. It returns the errors that sending again would not
// cure.
func (x *exchange) publish(m *nats.Msg) error {
	switch err := x.conn.NC.PublishMsg(m); {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrMaxPayload):
		return &SizeError{Subject: m.Subject, Size: len(m.Data), Limit: x.conn.MaxPayload()}
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case x.repeat && !slices.ContainsFunc(final, func(f error) bool { return errors.Is(err, f) }):
		// nats.go has no room for what is sent while there is no connection, or one has broken
		// as it wrote what was too long for its buffer.
		return nil
	default:
		return err
	}
}

// final are the refusals of nats.go itself that sending again would not cure.
var final = []error{nats.ErrBadSubject, nats.ErrHeadersNotSupported, nats.ErrInvalidMsg, nats.ErrInvalidConnection}

// reply returns the subject for the answer to a copy of a call: "<token>", or
// "<token>-<place>" for one that is not the first.
func (x *exchange) reply(token, place uint64) string {
	b := make([]byte, 0, len(x.prefix)+27)
	b = strconv.AppendUint(append(b, x.prefix...), token, 36)
	if place != token {
		b = strconv.AppendUint(append(b, '-'), place, 36)
	}
	return string(b)
}

// parseReply is the opposite of reply.
func (x *exchange) parseReply(subject string) (token, place uint64, ours bool) {
	first, again, copied := strings.Cut(strings.TrimPrefix(subject, x.prefix), "-")
	token, err := strconv.ParseUint(first, 36, 64)
	if place = token; copied && err == nil {
		place, err = strconv.ParseUint(again, 36, 64)
	}
	return token, place, err == nil
}

// take makes the caller the owner of a call.
func (x *exchange) take(token uint64) *call {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.pending[token]
	delete(x.pending, token)
	return k
}

// answered is the callback of the subscription.
func (x *exchange) answered(m *nats.Msg) {
	token, place, ours := x.parseReply(m.Subject)
	if !ours {
		return // nobody's
	}
	if x.repeat && len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
		// Nobody listens: the server has started and its JetStream has not, or the
		// stream is without a leader.
		x.unheard(token)
		return
	}
	if x.repeat && bytes.Contains(m.Data, duplicateInProcess) {
		// The replicas have not agreed yet on the copy that was sent before.
		x.unheard(token)
		return
	}
	stored := x.repeat && !bytes.Contains(m.Data, errorKey) && !bytes.Contains(m.Data, duplicateKey)
	if k := x.takeAnswered(token, place, stored); k != nil {
		k.done(m, nil)
	}
}

// takeAnswered is take, of a call of which a copy was answered: that it is stored, or otherwise.
func (x *exchange) takeAnswered(token, place uint64, stored bool) *call {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.pending[token]
	delete(x.pending, token)
	if k != nil && k.line != nil {
		k.line.answers++
		if stored {
			k.line.reached = max(k.line.reached, place)
		}
	}
	return k
}

// duplicateKey is in the answer to a message that was stored before.
var duplicateKey = []byte(`"duplicate"`)

// duplicateInProcess is in the answer to a message whose id is that of one that is being stored.
var duplicateInProcess = []byte(`"err_code":10158`)

// unheard has a call sent again soon that nobody listened to, and tells of it if that
// has been so for long: its stream may be gone.
func (x *exchange) unheard(token uint64) {
	now := time.Now()
	x.mu.Lock()
	k := x.pending[token]
	tell := k != nil && now.Sub(k.begun) > complainAfter && now.Sub(x.complained) > complainAfter
	if k != nil {
		k.due, k.unheard = now.Add(busyWait), true
	}
	if tell {
		x.complained = now
	}
	x.mu.Unlock()
	if tell {
		x.conn.log.Warn("cluster: no stream takes a message, which is sent again and again",
			"server", x.conn.where, "subject", k.msg.Subject, "for", now.Sub(k.begun).Round(time.Second))
	}
}

// outstanding returns the calls without an answer that are selected, oldest first. Mu is held
// while selected is called.
func (x *exchange) outstanding(selected func(*call) bool) []*call {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []*call
	for _, k := range x.pending {
		if selected(k) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *call) int { return cmp.Compare(a.token, b.token) })
	return all
}

// resend sends all again, after a reconnection.
func (x *exchange) resend() {
	x.mu.Lock()
	x.refused = nil
	x.mu.Unlock()
	if x.repeat {
		x.again(x.outstanding(func(k *call) bool { k.wait = callWait; return true }))
	}
}

// again sends calls again. Several goroutines may do so with one call.
func (x *exchange) again(calls []*call) {
	for _, k := range calls {
		now := time.Now()
		x.mu.Lock()
		_, waits := x.pending[k.token]
		if waits {
			x.last++
			k.place, k.sent, k.due, k.unheard = x.last, now, now.Add(k.wait), false
		}
		place := k.place
		x.mu.Unlock()
		if !waits {
			continue
		}
		m := &nats.Msg{Subject: k.msg.Subject, Reply: x.reply(k.token, place), Header: k.msg.Header, Data: k.msg.Data}
		if err := x.publish(m); err != nil && x.take(k.token) != nil {
			k.done(nil, err)
		}
	}
}

// sweep handles the calls whose time is up, and those that got lost. It reports whether there
// are others.
func (x *exchange) sweep(now time.Time) (more bool) {
	x.mu.Lock()
	more = len(x.pending) > 0
	x.mu.Unlock()
	if !more {
		return false
	}
	if x.repeat {
		// While there is no connection they would only fill nats.go's buffer: they
		// are sent when there is one.
		if x.conn.NC.IsConnected() {
			x.again(x.unanswered(now))
		}
		return true
	}
	for _, k := range x.outstanding(func(k *call) bool { return !now.Before(k.due) }) {
		if x.take(k.token) != nil {
			k.done(nil, &TimeoutError{Where: x.conn.where, Subject: k.msg.Subject, After: k.wait})
		}
	}
	return true
}

// unanswered returns what is to be sent again: what got lost, what has waited long enough, and
// the oldest message for a stream that is silent.
func (x *exchange) unanswered(now time.Time) []*call {
	all := x.outstanding(func(k *call) bool {
		l := k.line
		switch {
		case l != nil && k.place < l.reached:
			return true
		case !now.Before(k.due):
			if !k.unheard { // the server has answered then
				k.wait = min(2*k.wait, longest)
			}
			return true
		}
		if l != nil && (l.oldest == nil || k.token < l.oldest.token) {
			l.oldest = k
		}
		return false
	})
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.lines {
		if l.answers != l.seen {
			l.seen, l.quiet = l.answers, now
		}
		if k := l.oldest; k != nil && now.Sub(l.quiet) >= probeEach && now.Sub(k.sent) >= probeEach {
			all = append(all, k)
		}
		l.oldest = nil
	}
	return all
}

// fail ends the calls of a subject that the user may not send to. If it is that of the
// answers it ends all, and those that follow.
func (x *exchange) fail(subject string, err error) {
	answers := subject == x.prefix+"*"
	if answers {
		x.mu.Lock()
		x.refused = err
		x.mu.Unlock()
	}
	for _, k := range x.outstanding(func(k *call) bool { return answers || k.msg.Subject == subject }) {
		if x.take(k.token) != nil {
			k.done(nil, err)
		}
	}
}

// close ends all calls.
func (x *exchange) close(why error) {
	x.mu.Lock()
	x.closed = true
	x.mu.Unlock()
	for _, k := range x.outstanding(func(*call) bool { return true }) {
		if x.take(k.token) != nil {
			k.done(nil, why)
		}
	}
}

// Go sends a request to the server's JetStream and has done called once with the data
// of its answer. Errors are those of Call. It returns at once.
func (c *Conn) Go(subject string, data []byte, done func(data []byte, err error)) {
	err := c.api.send(subject, nil, data, callWait, func(m *nats.Msg, err error) {
		if err == nil {
			err = c.refusal(m)
		}
		if err != nil {
			done(nil, err)
			return
		}
		done(m.Data, nil)
	})
	if err != nil {
		done(nil, err)
	}
}

// Call sends a request to the server's JetStream and returns the data of its answer.
// Errors are *APIError, *TimeoutError, *PermissionError, ErrNoJetStream, ErrClosed, or
// the context's.
func (c *Conn) Call(ctx context.Context, subject string, data []byte) ([]byte, error) {
	type answer struct {
		data []byte
		err  error
	}
	answers := make(chan answer, 1)
	c.Go(subject, data, func(data []byte, err error) { answers <- answer{data, err} })
	select {
	case a := <-answers:
		return a.data, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
