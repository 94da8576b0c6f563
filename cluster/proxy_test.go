package cluster

import (
	"net"
	"sync"
	"testing"
)

// A proxy is between a server and those who connect to it, at an address that stays while
// servers come and go.
type proxy struct {
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	flows   sync.Cond // on mu: stalled or closed has changed
	server  string
	conns   map[net.Conn]struct{}
	stalled bool
	closed  bool
}

// newProxy returns a proxy, which ends with the test.
func newProxy(t testing.TB) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, conns: make(map[net.Conn]struct{})}
	p.flows.L = &p.mu
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// to says where the server is.
func (p *proxy) to(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// stall keeps back what both sides send, or lets it go on. Connections stay, and new ones are
// taken and get no answer, as where a network drops what it is given.
func (p *proxy) stall(stalled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = stalled
	p.flows.Broadcast()
}

func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.flows.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
}

// flow waits while the proxy is stalled, and reports whether it goes on.
func (p *proxy) flow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.stalled && !p.closed {
		p.flows.Wait()
	}
	return !p.closed
}

// hold notes a connection, to be closed with the proxy, and reports whether it goes on.
func (p *proxy) hold(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) release(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = c.Close()
	delete(p.conns, c)
}

func (p *proxy) accept() {
	for {
		c, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.hold(c) {
			p.running.Go(func() { p.join(c) })
		}
	}
}

func (p *proxy) join(client net.Conn) {
	defer p.release(client)
	if !p.flow() {
		return
	}
	p.mu.Lock()
	address := p.server
	p.mu.Unlock()
	server, err := net.Dial("tcp", address)
	if err != nil || !p.hold(server) {
		return
	}
	defer p.release(server)
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		both.Go(func() {
			defer func() { // the other way ends too
				_ = client.Close()
				_ = server.Close()
			}()
			for buf := make([]byte, 64<<10); ; {
				n, err := way[0].Read(buf)
				if n > 0 && p.flow() {
					_, err = way[1].Write(buf[:n])
				}
				if err != nil || !p.flow() {
					return
				}
			}
		})
	}
	both.Wait()
}
