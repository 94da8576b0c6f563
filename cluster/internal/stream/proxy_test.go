package stream

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
)

// A proxy is between clients and a server.
type proxy struct {
	listener net.Listener
	server   string
	running  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns []net.Conn // of clients and of the server, by turns
	deaf  bool       // nothing from clients reaches the server
}

// startProxy starts a proxy, until the test ends.
func startProxy(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: server}
	p.running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.join(client)
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) join(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	p.running.Go(func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	})
	p.running.Go(func() {
		_, _ = io.Copy(gate{p, server}, client)
		_ = server.Close()
	})
}

// A gate lets through what clients send, or loses it.
type gate struct {
	*proxy
	to net.Conn
}

func (g gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	deaf := g.deaf
	g.mu.Unlock()
	if deaf {
		return len(b), nil
	}
	return g.to.Write(b)
}

// lose has what clients send lost from now on, or no longer.
func (p *proxy) lose(deaf bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = deaf
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// inject says something to the clients that the server did not.
func (p *proxy) inject(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := 0; i < len(p.conns); i += 2 {
		_, _ = io.WriteString(p.conns[i], text)
	}
}

func (p *proxy) connect(t testing.TB) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), Config{URL: "nats://" + p.listener.Addr().String(), Role: Client, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(errors.Join(errors.New("through a proxy"), err))
	}
	t.Cleanup(c.Close)
	return c
}
