package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"maps"
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
	longest   = 30 * time.Second       // between two sendings
	sweepEach = 50 * time.Millisecond

	complainAfter = 10 * time.Second // that nobody listens
)

// A call is a message that is to be answered.
type call struct {
	token uint64
	msg   nats.Msg // Reply is made from the token
	done  func(*nats.Msg, error)
	begun time.Time
	due   time.Time // fails, or is sent again
	wait  time.Duration
}

// An exchange sends messages and finds the answers' owners. All answers come to one
// subscription. The owner of a call is whoever takes it out of pending (ST1).
type exchange struct {
	conn   *Conn
	prefix string // of reply subjects; the token follows
	repeat bool   // a call without an answer is sent again, else it fails

	mu      sync.Mutex // guards what follows
	pending map[uint64]*call
	last    uint64 // token
	closed  bool
	refused error // the user may not have answers, as the server has said since it was connected

	complained time.Time // when it was last told that nobody listens
}

// newExchange makes an exchange whose messages are sent again until they are
// answered, or fail when callWait is over.
func (c *Conn) newExchange(repeat bool) (*exchange, error) {
	x := &exchange{conn: c, prefix: c.Inbox() + ".", repeat: repeat, pending: make(map[uint64]*call)}
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
	k := &call{done: done, begun: now, due: now.Add(wait), wait: wait}
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
	k.token = x.last
	k.msg.Reply = x.reply(k.token)
	x.pending[k.token] = k
	x.mu.Unlock()
	x.conn.sweep.watch()
	if err := x.publish(k); err != nil {
		if x.take(k.token) == nil {
			return nil // somebody else has told done already
		}
		return err
	}
	return nil
}

// publish gives the message to nats.go. It returns the errors that sending again
// would not cure.
func (x *exchange) publish(k *call) error {
	err := x.conn.NC.PublishMsg(&k.msg)
	if errors.Is(err, nats.ErrReconnectBufExceeded) && x.repeat || err == nil {
		return nil
	}
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return &SizeError{Subject: k.msg.Subject, Size: len(k.msg.Data), Limit: x.conn.MaxPayload()}
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	}
	return err
}

func (x *exchange) reply(token uint64) string {
	b := make([]byte, 0, len(x.prefix)+13)
	return string(strconv.AppendUint(append(b, x.prefix...), token, 36))
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
	token, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, x.prefix), 36, 64)
	if err != nil {
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
	if k := x.take(token); k != nil {
		k.done(m, nil)
	}
}

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
		k.due = now.Add(busyWait)
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

// outstanding returns the calls without an answer that are selected, oldest first.
func (x *exchange) outstanding(selected func(*call) bool) []*call {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := slices.Collect(maps.Values(x.pending))
	all = slices.DeleteFunc(all, func(k *call) bool { return !selected(k) })
	slices.SortFunc(all, func(a, b *call) int { return cmp.Compare(a.token, b.token) })
	return all
}

// resend sends all again, after a reconnection.
func (x *exchange) resend() {
	x.mu.Lock()
	x.refused = nil
	x.mu.Unlock()
	if x.repeat {
		x.again(x.outstanding(func(*call) bool { return true }))
	}
}

// again sends calls again. Several goroutines may do so with one call: its message
// does not change.
func (x *exchange) again(calls []*call) {
	for _, k := range calls {
		x.mu.Lock()
		_, waits := x.pending[k.token]
		if waits {
			k.wait = min(2*k.wait, longest)
			k.due = time.Now().Add(k.wait)
		}
		x.mu.Unlock()
		if !waits {
			continue
		}
		if err := x.publish(k); err != nil && x.take(k.token) != nil {
			k.done(nil, err)
		}
	}
}

// sweep handles the calls whose time is up. It reports whether there are others.
func (x *exchange) sweep(now time.Time) (more bool) {
	x.mu.Lock()
	more = len(x.pending) > 0
	x.mu.Unlock()
	if !more {
		return false
	}
	due := x.outstanding(func(k *call) bool { return !now.Before(k.due) })
	if x.repeat {
		// While there is no connection they would only fill nats.go's buffer: they
		// are sent when there is one.
		if x.conn.NC.IsConnected() {
			x.again(due)
		}
		return true
	}
	for _, k := range due {
		if x.take(k.token) != nil {
			k.done(nil, &TimeoutError{Where: x.conn.where, Subject: k.msg.Subject, After: k.wait})
		}
	}
	return true
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
