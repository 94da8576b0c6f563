package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A Role is what a connection is for. It is an element of the connection's inbox
// subjects, so that the permissions of one role do not let it read the other's.
type Role string

const (
	Client Role = "client"
	Worker Role = "worker"
)

// Config says how to connect, and as whom.
type Config struct {
	URL       string                     // one, or several separated by commas; not used if InProcess is set
	InProcess nats.InProcessConnProvider // connects to a server in this process
	Name      string                     // of the connection, in the server's logs
	Role      Role                       //
	Namespace string                     // "" is Default
	TLS       *tls.Config                // nil: TLS only if the server or the URL demands it

	// At most one of these.
	User, Password  string
	Token           string
	NKeyFile        string // holds a seed
	CredentialsFile string // holds a JWT and a seed

	// Logger is told of disconnections and of what nats.go reports on its own. Nil is
	// slog.Default.
	Logger *slog.Logger
}

const (
	connectWait   = 5 * time.Second  // for a connection, unless the context ends before
	readyWait     = 30 * time.Second // for the nodes of a cluster to find each other
	readyPoll     = time.Second      // for an answer, until it is asked again
	reconnectWait = 50 * time.Millisecond
	reconnectMax  = 2 * time.Second
	reconnectBuf  = 8 << 20 // bytes that nats.go keeps while there is no connection
)

// A Conn is a connection to a server, and what this project does over one.
type Conn struct {
	NC    *nats.Conn
	JS    jetstream.JetStream
	Names Names

	config  Config
	log     *slog.Logger
	where   string // the server and the user, for errors
	api     *exchange
	parts   *exchange // of blobs
	sweep   *sweeper
	inboxes atomic.Uint64  // that were given out
	payload atomic.Int64   // what MaxPayload returns
	ended   chan struct{}  // closed when nats.go has closed the connection
	subs    sync.WaitGroup // subscriptions whose callbacks may run

	mu        sync.Mutex // guards what follows
	exchanges []*exchange
	pullers   []*Puller
	gaps      []func()
	denied    []func(error)
	reason    string // why the last attempt to connect again failed
	closed    bool
}

// Connect connects, and finds out that the server has JetStream. Its errors name the
// server and the user.
func Connect(ctx context.Context, config Config) (*Conn, error) {
	names, err := NewNames(config.Namespace)
	if err != nil {
		return nil, err
	}
	c := &Conn{
		Names:  names,
		config: config,
		log:    cmp.Or(config.Logger, slog.Default()),
		ended:  make(chan struct{}),
	}
	dial := &dialer{ctx: ctx, Dialer: net.Dialer{Timeout: connectWait}}
	options, err := c.options(ctx, dial)
	if err != nil {
		return nil, err
	}
	c.where = config.where()
	c.NC, err = options.Connect()
	dial.established()
	if err != nil {
		return nil, &ConnectError{Where: c.where, Err: cmp.Or(ctx.Err(), dial.explain(err))}
	}
	c.payload.Store(c.NC.MaxPayload())
	if err := c.begin(ctx); err != nil {
		c.Close()
		if !strings.HasPrefix(err.Error(), c.where) {
			err = &ConnectError{Where: c.where, Err: err}
		}
		return nil, err
	}
	return c, nil
}

// begin sets up what needs a connection.
func (c *Conn) begin(ctx context.Context) (err error) {
	c.sweep = newSweeper(c.sweepAll)
	if c.api, err = c.newExchange(false); err != nil {
		return err
	}
	if c.parts, err = c.newExchange(true); err != nil {
		return err
	}
	if c.JS, err = jetstream.New(c.NC); err != nil {
		return err
	}
	return c.ready(ctx)
}

// ready waits until the server's JetStream answers, which it does not before the nodes of
// a cluster have found each other and a leader.
func (c *Conn) ready(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, readyWait)
	defer cancel()
	for {
		once, cancel := context.WithTimeout(patience, readyPoll)
		_, err := c.Call(once, "$JS.API.INFO", nil)
		cancel()
		e, is := errors.AsType[*APIError](err)
		switch {
		case is && e.ErrCode == CodeUnavailable, errors.Is(err, context.DeadlineExceeded):
		default:
			return err
		}
		if patience.Err() != nil {
			return fmt.Errorf("JetStream does not answer; a cluster has no leader until most of its nodes are there: %w", cmp.Or(ctx.Err(), err))
		}
		select {
		case <-time.After(setupPause):
		case <-patience.Done():
		}
	}
}

func (c *Conn) options(ctx context.Context, dial *dialer) (o nats.Options, err error) {
	timeout := connectWait
	if deadline, has := ctx.Deadline(); has {
		timeout = min(timeout, max(time.Until(deadline), time.Millisecond))
	}
	o = nats.GetDefaultOptions()
	o.Name = c.config.Name
	o.InboxPrefix = c.Names.inbox(c.config.Role, nuid.Next())
	o.Timeout = timeout
	o.MaxReconnect = -1
	o.ReconnectBufSize = reconnectBuf
	o.CustomReconnectDelayCB = func(attempts int) time.Duration {
		return min(reconnectWait<<min(attempts, 10), reconnectMax)
	}
	o.IgnoreAuthErrorAbort = true // a server that restarts may not know its users yet
	o.CustomDialer = dial
	o.InProcessServer = c.config.InProcess
	o.TLSConfig = c.config.TLS
	o.Secure = c.config.TLS != nil
	o.DisconnectedErrCB = func(_ *nats.Conn, err error) {
		if err != nil { // nil after Close
			c.log.Warn("cluster: disconnected", "server", c.where, "error", err)
		}
	}
	o.ReconnectedCB = func(*nats.Conn) { c.reconnected() }
	o.ReconnectErrCB = func(_ *nats.Conn, err error) { c.unreachable(err) }
	o.AsyncErrorCB = func(_ *nats.Conn, s *nats.Subscription, err error) { c.reported(s, err) }
	o.ClosedCB = func(*nats.Conn) { c.over() }
	switch {
	case c.config.InProcess != nil:
	case c.config.URL == "":
		return o, errors.New("no URL and no server")
	default:
		for u := range strings.SplitSeq(c.config.URL, ",") {
			o.Servers = append(o.Servers, strings.TrimSpace(u))
		}
	}
	return o, c.config.credentials(&o)
}

// credentials sets what the server asks for.
func (config *Config) credentials(o *nats.Options) error {
	given := 0
	for _, has := range []bool{config.User != "", config.Token != "", config.NKeyFile != "", config.CredentialsFile != ""} {
		if has {
			given++
		}
	}
	if given > 1 {
		return errors.New("more than one of User, Token, NKeyFile and CredentialsFile is set")
	}
	o.User, o.Password, o.Token = config.User, config.Password, config.Token
	switch {
	case config.NKeyFile != "":
		option, err := nats.NkeyOptionFromSeed(config.NKeyFile)
		if err == nil {
			err = option(o)
		}
		if err != nil {
			return fmt.Errorf("NKeyFile: %w", err)
		}
	case config.CredentialsFile != "":
		if err := nats.UserCredentials(config.CredentialsFile)(o); err != nil {
			return fmt.Errorf("CredentialsFile: %w", err)
		}
	}
	return nil
}

// where names the server and the user.
func (config *Config) where() string {
	w := withoutPasswords(config.URL)
	if config.InProcess != nil {
		w = "the server in this process"
	}
	switch {
	case config.User != "":
		w += " as user " + config.User
	case config.Token != "":
		w += " with a token"
	case config.NKeyFile != "":
		w += " with the key of " + config.NKeyFile
	case config.CredentialsFile != "":
		w += " with the credentials of " + config.CredentialsFile
	}
	return w
}

// Where names the server and the user, for errors.
func (c *Conn) Where() string { return c.where }

// Inbox returns a new subject that only this connection's role may subscribe to, with
// all that is below it.
func (c *Conn) Inbox() string {
	return c.NC.Opts.InboxPrefix + "." + strconv.FormatUint(c.inboxes.Add(1), 36)
}

// MaxPayload is the length of the longest message, headers included, that the server
// takes. It is asked for each task: nats.go would have the asker wait while it writes. What
// a server has changed is known here after sweepEach.
func (c *Conn) MaxPayload() int64 { return c.payload.Load() }

// Clustered reports whether the server is one of several.
func (c *Conn) Clustered() bool { return c.NC.ConnectedClusterName() != "" }

// Subscribe calls do for each message that comes for a subject, without a limit on
// how many wait for it: nothing is dropped here.
func (c *Conn) Subscribe(subject string, do func(*nats.Msg)) (*nats.Subscription, error) {
	return c.subscribe(subject, do, func() {})
}

// subscribe has ended called when do runs no more and never will again.
func (c *Conn) subscribe(subject string, do func(*nats.Msg), ended func()) (*nats.Subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, ErrClosed
	}
	s, err := c.NC.Subscribe(subject, do)
	if err != nil {
		return nil, err
	}
	c.subs.Add(1)
	s.SetClosedHandler(func(string) { ended(); c.subs.Done() })
	return s, s.SetPendingLimits(-1, -1)
}

// OnGap has do called whenever messages for this connection may have been lost: after
// it was interrupted, once publishers and pullers work again, and when the client
// was too slow. It runs on a goroutine of its own of nats.go's and delays its other
// reports.
func (c *Conn) OnGap(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gaps = append(c.gaps, do)
}

// OnDenied has do called with each refusal to publish or subscribe.
func (c *Conn) OnDenied(do func(error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied = append(c.denied, do)
}

// Fence returns when the server has taken all that was sent before, subscriptions
// included, and all that it had sent until then has come in.
func (c *Conn) Fence(ctx context.Context) error {
	if _, has := ctx.Deadline(); !has {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callWait)
		defer cancel()
	}
	return c.NC.FlushWithContext(ctx)
}

// reconnected sends again what has no answer.
func (c *Conn) reconnected() {
	c.mu.Lock()
	exchanges, pullers, gaps := slices.Clone(c.exchanges), slices.Clone(c.pullers), slices.Clone(c.gaps)
	c.reason = ""
	c.mu.Unlock()
	c.payload.Store(c.NC.MaxPayload())
	c.log.Info("cluster: connected again", "server", c.where, "url", c.NC.ConnectedUrlRedacted())
	for _, x := range exchanges {
		x.resend()
	}
	for _, p := range pullers {
		p.reconnected()
	}
	for _, do := range gaps {
		do()
	}
}

// unreachable tells why there is no connection, once for each reason.
func (c *Conn) unreachable(err error) {
	c.mu.Lock()
	told := c.reason == err.Error()
	c.reason = err.Error()
	c.mu.Unlock()
	if !told {
		c.log.Warn("cluster: cannot connect again, and goes on trying", "server", c.where, "error", err)
	}
}

// reported handles what nats.go reports of a subscription or of the connection.
func (c *Conn) reported(s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer):
		c.log.Warn("cluster: messages were dropped", "server", c.where, "subject", s.Subject)
		c.mu.Lock()
		gaps := slices.Clone(c.gaps)
		c.mu.Unlock()
		for _, do := range gaps {
			do()
		}
	case errors.Is(err, nats.ErrPermissionViolation):
		c.log.Error("cluster: not permitted", "server", c.where, "error", err)
		c.mu.Lock()
		exchanges, pullers, denied := slices.Clone(c.exchanges), slices.Clone(c.pullers), slices.Clone(c.denied)
		c.mu.Unlock()
		violation := &PermissionError{Where: c.where, Err: err}
		subject := violation.Subject()
		for _, x := range exchanges {
			x.fail(subject, violation)
		}
		for _, p := range pullers {
			p.denied(subject, violation)
		}
		for _, do := range denied {
			do(violation)
		}
	default:
		c.log.Warn("cluster: the connection reports", "server", c.where, "error", err)
	}
}

// sweepAll does what is due. It reports whether there is anything that may be due
// later.
func (c *Conn) sweepAll(now time.Time) (more bool) {
	c.payload.Store(c.NC.MaxPayload())
	c.mu.Lock()
	exchanges, pullers := slices.Clone(c.exchanges), slices.Clone(c.pullers)
	c.mu.Unlock()
	for _, x := range exchanges {
		more = x.sweep(now) || more
	}
	for _, p := range pullers {
		more = p.sweep(now) || more
	}
	return more
}

// remove forgets a puller that has stopped.
func (c *Conn) remove(p *Puller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pullers = slices.DeleteFunc(c.pullers, func(q *Puller) bool { return p == q })
}

// over is called when nats.go has closed the connection: because of Close, or because
// the server found a fault that no reconnection cures.
func (c *Conn) over() {
	c.mu.Lock()
	c.closed = true
	exchanges := slices.Clone(c.exchanges)
	c.mu.Unlock()
	why := ErrClosed
	if err := c.NC.LastError(); err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		why = fmt.Errorf("%s: %w: %w", c.where, ErrClosed, err)
	}
	for _, x := range exchanges {
		x.close(why)
	}
	close(c.ended)
}

// Done is closed when the connection has ended, and with it all that had no answer.
func (c *Conn) Done() <-chan struct{} { return c.ended }

// Close ends the connection. What has no answer fails with ErrClosed. It must not be
// called from a callback (ST4).
func (c *Conn) Close() {
	c.NC.Close()
	<-c.ended
	if c.JS != nil {
		c.JS.CleanupPublisher() // its goroutine, which the end of the connection does not always reach
	}
	if c.sweep != nil {
		c.sweep.stop()
	}
	c.subs.Wait()
}
