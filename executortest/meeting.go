package executortest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/futures-go/futures"
)

// A meeting is where a task and its test meet, wherever the task runs: the task
// says that it has arrived and waits until the test lets it go.
type meeting struct {
	listener net.Listener

	mu     sync.Mutex
	guests map[string]*guest // by name
	wg     sync.WaitGroup
}

// guest is a task that arrives, or will.
type guest struct {
	arrived chan struct{} // closed when it has
	leave   chan struct{} // closed when it may go
	gone    chan struct{} // closed when the task has hung up
}

// Place is the argument of a task that goes to a meeting.
type Place struct {
	Address string
	Name    string
	Value   int // what the task returns
}

func newMeeting(t testing.TB) *meeting {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meeting{listener: listener, guests: make(map[string]*guest)}
	m.wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.wg.Go(func() { m.receive(conn) })
		}
	})
	t.Cleanup(m.close)
	return m
}

// close lets everybody go who is still there, or comes.
func (m *meeting) close() {
	m.listener.Close()
	m.mu.Lock()
	for _, g := range m.guests {
		g.letGo()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

func (g *guest) letGo() {
	select {
	case <-g.leave:
	default:
		close(g.leave)
	}
}

func (m *meeting) receive(conn net.Conn) {
	defer conn.Close()
	name, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return
	}
	g := m.guest(name[:len(name)-1])
	close(g.arrived)
	hungUp := make(chan struct{})
	go func() {
		defer close(hungUp)
		conn.Read(make([]byte, 1))
	}()
	select {
	case <-g.leave:
	case <-hungUp:
	}
	conn.Close()
	<-hungUp
	close(g.gone)
}

func (m *meeting) guest(name string) *guest {
	m.mu.Lock()
	defer m.mu.Unlock()
	g := m.guests[name]
	if g == nil {
		g = &guest{make(chan struct{}), make(chan struct{}), make(chan struct{})}
		m.guests[name] = g
	}
	return g
}

// place returns the argument for a task of that name.
func (m *meeting) place(name string, value int) Place {
	return Place{m.listener.Addr().String(), name, value}
}

// await waits until the task has arrived.
func (m *meeting) await(name string) { <-m.guest(name).arrived }

// release lets the task go.
func (m *meeting) release(names ...string) {
	for _, name := range names {
		g := m.guest(name)
		m.mu.Lock()
		g.letGo()
		m.mu.Unlock()
	}
}

// came reports whether the task has arrived.
func (m *meeting) came(name string) bool {
	select {
	case <-m.guest(name).arrived:
		return true
	default:
		return false
	}
}

// attend is what the task does. It returns early when its context ends.
func attend(ctx context.Context, p Place) error {
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := fmt.Fprintln(conn, p.Name); err != nil {
		return err
	}
	conn.Read(make([]byte, 1)) // until the test or the context hangs up
	return context.Cause(ctx)
}

// meet goes to a meeting and returns the value given.
var meet = futures.Define("executortest.meet", func(ctx context.Context, p Place) (int, error) {
	if err := attend(ctx, p); err != nil {
		return 0, err
	}
	return p.Value, nil
})
