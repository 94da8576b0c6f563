package cluster

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures"
)

// meet goes to a meeting: the task says that it has come, and waits for what it is to return.
var meet = futures.Define("faults.meet", func(ctx context.Context, at venue) (string, error) {
	conn, err := net.Dial("tcp", at.Address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := fmt.Fprintf(conn, "%d %s\n", os.Getpid(), at.Name); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	return strings.TrimSuffix(answer, "\n"), err
})

// venue is where a task goes, and the name that it gives.
type venue struct{ Address, Name string }

// A meeting is where a test meets its tasks, in whatever process they run.
type meeting struct {
	t        testing.TB
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	coming map[string]chan *visit
	here   map[net.Conn]struct{}
	closed bool
}

// A visit is one run of a task.
type visit struct {
	pid  int
	conn net.Conn
	gone chan struct{} // closed when the task has hung up
}

func newMeeting(t testing.TB) *meeting {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &meeting{t: t, listener: l, coming: make(map[string]chan *visit), here: make(map[net.Conn]struct{})}
	m.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			m.running.Go(func() { m.receive(conn) })
		}
	})
	t.Cleanup(m.close)
	return m
}

// close sends everybody away.
func (m *meeting) close() {
	_ = m.listener.Close()
	m.mu.Lock()
	m.closed = true
	for c := range m.here {
		_ = c.Close()
	}
	m.mu.Unlock()
	m.running.Wait()
}

func (m *meeting) receive(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return
	}
	m.here[conn] = struct{}{}
	m.mu.Unlock()
	v := &visit{conn: conn, gone: make(chan struct{})}
	defer close(v.gone)
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	var name string
	if _, scanned := fmt.Sscanf(line, "%d %s\n", &v.pid, &name); err != nil || scanned != nil {
		return // its process was killed meanwhile
	}
	m.door(name) <- v
	_, _ = io.Copy(io.Discard, in)
}

func (m *meeting) door(name string) chan *visit {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.coming[name] == nil {
		m.coming[name] = make(chan *visit, 100)
	}
	return m.coming[name]
}

// at returns the argument for a task of that name, which has no space.
func (m *meeting) at(name string) venue { return venue{m.listener.Addr().String(), name} }

// await waits for the next run of a task.
func (m *meeting) await(name string) *visit {
	m.t.Helper()
	select {
	case v := <-m.door(name):
		return v
	case <-time.After(faultPatience):
		m.t.Fatalf("waited for %s for %v", name, faultPatience)
	}
	panic("unreachable")
}

// again returns how many runs of a task have come that nobody has awaited.
func (m *meeting) again(name string) int { return len(m.door(name)) }

// leave lets the task return a value.
func (v *visit) leave(value string) {
	_, _ = fmt.Fprintln(v.conn, value) // it may be gone
}

// note writes down that it runs, works for as long as it is told, and writes down that it has
// run. What was written is there whoever is killed then.
var note = futures.Define("faults.note", func(ctx context.Context, in noting) (int, error) {
	f, err := notebook(in.File)
	if err != nil {
		return 0, err
	}
	if err := write(f, in.N, false); err != nil {
		return 0, err
	}
	if in.Work > 0 {
		select {
		case <-time.After(in.Work):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	return noted(in.N), write(f, in.N, true)
})

// noted is what note returns.
func noted(n int) int { return 3*n + 1 }

type noting struct {
	File string
	N    int
	Work time.Duration
}

// notebooks are the files of this process, by name.
var notebooks sync.Map

func notebook(name string) (*os.File, error) {
	if f, ok := notebooks.Load(name); ok {
		return f.(*os.File), nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if have, loaded := notebooks.LoadOrStore(name, f); loaded {
		_ = f.Close()
		return have.(*os.File), nil
	}
	return f, nil
}

// write appends a record, in one piece as it is short.
func write(f *os.File, n int, end bool) error {
	word := uint32(n) << 1
	if end {
		word |= 1
	}
	var record [4]byte
	binary.LittleEndian.PutUint32(record[:], word)
	_, err := f.Write(record[:])
	return err
}

// newNotes returns the name of a file for notes.
func newNotes(t testing.TB) string {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "notes")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if f, ok := notebooks.LoadAndDelete(f.Name()); ok { // a worker was in this process
			_ = f.(*os.File).Close()
		}
	})
	return f.Name()
}

// runsOf says how often a task has begun and ended.
type runsOf struct{ begun, ended int }

// readNotes returns what was written of each task.
func readNotes(t testing.TB, name string, tasks int) []runsOf {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil || len(data)%4 != 0 {
		t.Fatalf("%d bytes of notes: %v", len(data), err)
	}
	all := make([]runsOf, tasks)
	for ; len(data) > 0; data = data[4:] {
		word := binary.LittleEndian.Uint32(data)
		if word&1 == 0 {
			all[word>>1].begun++
		} else {
			all[word>>1].ended++
		}
	}
	return all
}
