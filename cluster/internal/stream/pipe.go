package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pipeBuffer = 256 << 10       // bytes, in each direction
	pipeFlush  = 2 * time.Second // for what was written before Close
)

// Pipes gives out connections to a server in this process. The server's own are pipes
// without a buffer, so that each write waits for a reader; these have one in each
// direction, of a fixed size.
type Pipes struct {
	server nats.InProcessConnProvider
	pumps  sync.WaitGroup
}

// NewPipes makes Pipes to a server.
func NewPipes(server nats.InProcessConnProvider) *Pipes { return &Pipes{server: server} }

// InProcessConn implements nats.InProcessConnProvider.
func (p *Pipes) InProcessConn() (net.Conn, error) {
	bare, err := p.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	c := &pipe{bare: bare, in: newRing(), out: newRing()}
	p.pumps.Go(func() { c.receive() })
	p.pumps.Go(func() { c.transmit() })
	return c, nil
}

// Wait returns when the connections that were given out are closed, from either side,
// and have no goroutine left.
func (p *Pipes) Wait() { p.pumps.Wait() }

// A pipe is one end of a connection. Two goroutines move bytes between the buffers and
// the server; they end when it, or Close, closes the connection.
type pipe struct {
	bare    net.Conn
	in, out *ring
	writing sync.Mutex // a ring has one writer
	reading sync.Mutex // and one reader
}

// receive moves bytes from the server to in.
func (c *pipe) receive() {
	for {
		b, err := c.in.space()
		if err != nil { // closed here: the server must not wait for a reader
			_, _ = io.Copy(io.Discard, c.bare) // until transmit closes it
			break
		}
		n, err := c.bare.Read(b)
		c.in.filled(n)
		if err != nil {
			c.in.end(io.EOF)
			break
		}
	}
	c.out.end(io.ErrClosedPipe)
}

// transmit moves bytes from out to the server, those that were written before Close
// too.
func (c *pipe) transmit() {
	for {
		b, err := c.out.content()
		if err != nil {
			break
		}
		n, err := c.bare.Write(b)
		c.out.taken(n)
		if err != nil {
			c.out.abandon(io.ErrClosedPipe)
			break
		}
	}
	_ = c.bare.Close() // of a pipe cannot fail
}

func (c *pipe) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	content, err := c.in.content()
	if err != nil || len(b) == 0 {
		return 0, err
	}
	n := copy(b, content)
	c.in.taken(n)
	return n, nil
}

func (c *pipe) Write(b []byte) (total int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for len(b) > 0 {
		space, err := c.out.space()
		if err != nil {
			return total, err
		}
		n := copy(space, b)
		c.out.filled(n)
		total += n
		b = b[n:]
	}
	return total, nil
}

// Close ends the connection. What was written is still transmitted, if the server
// takes it in time.
func (c *pipe) Close() error {
	_ = c.bare.SetWriteDeadline(time.Now().Add(pipeFlush)) // of a pipe cannot fail
	c.out.end(net.ErrClosed)
	c.in.abandon(net.ErrClosed)
	return nil
}

func (c *pipe) LocalAddr() net.Addr  { return c.bare.LocalAddr() }
func (c *pipe) RemoteAddr() net.Addr { return c.bare.RemoteAddr() }

func (c *pipe) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *pipe) SetReadDeadline(t time.Time) error  { c.in.setReadDeadline(t); return nil }
func (c *pipe) SetWriteDeadline(t time.Time) error { c.out.setWriteDeadline(t); return nil }

// A ring is a buffer between one writer and one reader. The part that space or content
// returned belongs to the one that called it until filled or taken.
type ring struct {
	mu      sync.Mutex // guards what follows
	change  sync.Cond  // of anything
	buf     []byte
	begin   int   // of the content
	size    int   // of the content
	ended   error // no more is written: what the writer gets, and, once it is empty, the reader
	dropped bool  // the reader gets ended at once

	readLimit, writeLimit deadline
}

func newRing() *ring {
	r := &ring{buf: make([]byte, pipeBuffer)}
	r.change.L = &r.mu
	return r
}

// space waits for free space.
func (r *ring) space() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.ended != nil:
			return nil, r.ended
		case r.writeLimit.over:
			return nil, os.ErrDeadlineExceeded
		case r.size < len(r.buf):
			from := (r.begin + r.size) % len(r.buf)
			return r.buf[from:min(len(r.buf), from+len(r.buf)-r.size)], nil
		}
		r.change.Wait()
	}
}

func (r *ring) filled(n int) {
	r.mu.Lock()
	r.size += n
	r.mu.Unlock()
	r.change.Broadcast()
}

// content waits for content.
func (r *ring) content() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.dropped, r.ended != nil && r.size == 0:
			return nil, r.ended
		case r.readLimit.over:
			return nil, os.ErrDeadlineExceeded
		case r.size > 0:
			return r.buf[r.begin:min(len(r.buf), r.begin+r.size)], nil
		}
		r.change.Wait()
	}
}

func (r *ring) taken(n int) {
	r.mu.Lock()
	r.begin = (r.begin + n) % len(r.buf)
	r.size -= n
	r.mu.Unlock()
	r.change.Broadcast()
}

// end takes no more; what is in it can be read.
func (r *ring) end(why error) {
	r.mu.Lock()
	if r.ended == nil {
		r.ended = why
	}
	r.mu.Unlock()
	r.change.Broadcast()
}

// abandon is end, and drops what is in it.
func (r *ring) abandon(why error) {
	r.mu.Lock()
	r.ended, r.dropped = why, true
	r.readLimit.stop()
	r.writeLimit.stop()
	r.mu.Unlock()
	r.change.Broadcast()
}

func (r *ring) setReadDeadline(t time.Time)  { r.set(&r.readLimit, t) }
func (r *ring) setWriteDeadline(t time.Time) { r.set(&r.writeLimit, t) }

func (r *ring) set(d *deadline, t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.stop()
	d.over = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !d.over && !r.dropped {
		d.timer = time.AfterFunc(time.Until(t), func() {
			r.mu.Lock()
			d.over = d.over || !time.Now().Before(t) && d.at.Equal(t)
			r.mu.Unlock()
			r.change.Broadcast()
		})
		d.at = t
	}
	r.change.Broadcast()
}

// A deadline is over at some time. The ring's mu guards it.
type deadline struct {
	at    time.Time // of the timer
	timer *time.Timer
	over  bool
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
	d.at, d.timer = time.Time{}, nil
}
