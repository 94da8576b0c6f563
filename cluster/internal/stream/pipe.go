package stream

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pipeBuffer = 256 << 10       // bytes, on their way to the server
	pipeAside  = 32 << 10        // bytes, of what the server writes, read at a time
	pipeFlush  = 2 * time.Second // for what was written before Close
)

// Pipes gives out connections to a server in this process. The server's own are pipes
// without a buffer, so that each write waits for a reader: two that write and wait for each
// other to read wait for good. These do not:
//
//   - what is written waits for the server in a buffer of a fixed size, so that who
//     writes can go on to read;
//   - while a write waits for room in that, what the server writes is read and kept for
//     who has not come to read it, as that may be waiting for the same write.
//
// There is no other buffer for what the server writes: who reads is at hand nearly always, and
// a goroutine in between is a tenth of what a task takes if there is one at a time. To write
// without one, if the server is at hand, saves a twentieth there, and costs much where
// there are many, since nats.go lets nobody else write meanwhile.
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
	c := &pipe{bare: bare, stuck: make(chan struct{}, 1), ended: make(chan struct{})}
	c.out = newRing(func() {
		select {
		case c.stuck <- struct{}{}:
		default:
		}
	})
	p.pumps.Go(c.relieve)
	p.pumps.Go(c.transmit)
	return c, nil
}

// Wait returns when the connections that were given out are closed, or their readers have
// seen that the server has closed them, and have no goroutine left.
func (p *Pipes) Wait() { p.pumps.Wait() }

// A pipe is one end of a connection. It has two goroutines, of which relieve has nothing to
// do as long as the server reads; they end when the server, or Close, closes the connection.
type pipe struct {
	bare  net.Conn
	out   *ring         // transmit writes what is in it
	stuck chan struct{} // holds one: a write waits for space in out
	ended chan struct{} // closed once, by end
	once  sync.Once     // of ended

	closed atomic.Bool // by Close

	writing sync.Mutex // a ring has one writer
	reading sync.Mutex // held to read from bare; guards aside
	aside   []byte     // was read before its reader came
}

// relieve reads in the place of a reader that may not come before a write has space.
// Its memory is bounded by what the server has for one client.
func (c *pipe) relieve() {
	for {
		select {
		case <-c.stuck:
			c.setAside()
			continue
		case <-c.ended:
		}
		break
	}
	c.reading.Lock() // the reader is gone by now
	_ = c.bare.SetReadDeadline(time.Time{})
	c.reading.Unlock()
	_, _ = io.Copy(io.Discard, c.bare) // the server must not wait for a reader, until transmit closes it
}

func (c *pipe) setAside() {
	b := make([]byte, pipeAside)
	for err := error(nil); err == nil; {
		c.reading.Lock()
		if !c.out.waits() {
			c.reading.Unlock()
			return
		}
		var n int
		n, err = c.bare.Read(b)
		c.aside = append(c.aside, b[:n]...)
		c.reading.Unlock()
	}
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
	switch {
	case c.closed.Load():
		return 0, net.ErrClosed
	case len(b) == 0:
		return 0, nil
	case len(c.aside) > 0:
		n := copy(b, c.aside)
		if c.aside = c.aside[n:]; len(c.aside) == 0 {
			c.aside = nil
		}
		return n, nil
	}
	n, err := c.bare.Read(b)
	switch {
	case err == nil:
	case c.closed.Load():
		err = net.ErrClosed
	case !errors.Is(err, os.ErrDeadlineExceeded): // the server has closed it
		c.end(io.ErrClosedPipe)
	}
	return n, err
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
	if c.closed.Swap(true) {
		return nil
	}
	_ = c.bare.SetReadDeadline(time.Unix(1, 0)) // of a pipe cannot fail; lets the reader go, before relieve takes over
	_ = c.bare.SetWriteDeadline(time.Now().Add(pipeFlush))
	c.end(net.ErrClosed)
	return nil
}

// end takes no more to write, and has the goroutines end.
func (c *pipe) end(why error) {
	c.out.end(why)
	c.once.Do(func() { close(c.ended) })
}

func (c *pipe) LocalAddr() net.Addr  { return c.bare.LocalAddr() }
func (c *pipe) RemoteAddr() net.Addr { return c.bare.RemoteAddr() }

func (c *pipe) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *pipe) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return net.ErrClosed
	}
	return c.bare.SetReadDeadline(t)
}

func (c *pipe) SetWriteDeadline(t time.Time) error { c.out.setWriteDeadline(t); return nil }

// A ring is a buffer between one writer and one reader. The part that space or content
// returned belongs to the one that called it until filled or taken.
type ring struct {
	full func() // called, with mu held, before a writer waits

	mu      sync.Mutex // guards what follows
	change  sync.Cond  // of anything
	buf     []byte
	begin   int       // of the content
	size    int       // of the content
	ended   error     // no more is written: what the writer gets, and, once it is empty, the reader
	dropped bool      // the reader gets ended at once
	waiting bool      // the writer waits
	limit   time.Time // until when it does; zero for any time
}

func newRing(full func()) *ring {
	r := &ring{full: full, buf: make([]byte, pipeBuffer)}
	r.change.L = &r.mu
	return r
}

// late reports whether the writer's deadline is over. The caller holds mu.
func (r *ring) late() bool { return !r.limit.IsZero() && !time.Now().Before(r.limit) }

// waits reports whether the writer waits.
func (r *ring) waits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waiting
}

// space waits for free space.
func (r *ring) space() ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.waiting = false }()
	for {
		switch {
		case r.ended != nil:
			return nil, r.ended
		case r.late():
			return nil, os.ErrDeadlineExceeded
		case r.size < len(r.buf):
			from := (r.begin + r.size) % len(r.buf)
			return r.buf[from:min(len(r.buf), from+len(r.buf)-r.size)], nil
		}
		r.waiting = true
		r.full()
		r.wait()
	}
}

// wait waits for a change, or for the writer's deadline. The caller holds mu.
func (r *ring) wait() {
	if !r.limit.IsZero() {
		timer := time.AfterFunc(time.Until(r.limit), func() {
			r.mu.Lock() // so that the writer waits by now
			defer r.mu.Unlock()
			r.change.Broadcast()
		})
		defer timer.Stop()
	}
	r.change.Wait()
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
	r.mu.Unlock()
	r.change.Broadcast()
}

func (r *ring) setWriteDeadline(t time.Time) {
	r.mu.Lock()
	r.limit = t
	waiting := r.waiting
	r.mu.Unlock()
	if waiting {
		r.change.Broadcast()
	}
}
