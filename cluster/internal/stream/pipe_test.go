package stream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// bare is the server's side of pipes: it hands out one end of a net.Pipe.
type bare struct{ ends chan net.Conn }

func (b *bare) InProcessConn() (net.Conn, error) {
	if b.ends == nil {
		return nil, errors.New("the server is gone")
	}
	client, server := net.Pipe()
	b.ends <- server
	return client, nil
}

// newPipe returns both ends of a pipe, whose goroutines must be gone at the end of the
// test.
func newPipe(t testing.TB) (client, server net.Conn) {
	t.Helper()
	b := &bare{make(chan net.Conn, 1)}
	pipes := NewPipes(b)
	client, err := pipes.InProcessConn()
	if err != nil {
		t.Fatal(err)
	}
	server = <-b.ends
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		pipes.Wait()
	})
	return client, server
}

// TestPipeCarries sends what is several times longer than a buffer, both ways at once,
// in pieces of all sizes.
func TestPipeCarries(t *testing.T) {
	client, server := newPipe(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	source := rand.New(rand.NewPCG(seed, 0))
	var both [2][]byte
	for i := range both {
		both[i] = make([]byte, 5*pipeBuffer+source.IntN(pipeBuffer))
		for j := range both[i] {
			both[i][j] = byte(source.Uint32())
		}
	}
	var running sync.WaitGroup
	for i, c := range []net.Conn{client, server} {
		seeds := [2]uint64{source.Uint64(), source.Uint64()}
		running.Go(func() {
			pieces := rand.New(rand.NewPCG(seeds[0], 0))
			for rest := both[i]; len(rest) > 0; {
				n := min(len(rest), pieces.IntN(2*pipeBuffer))
				if written, err := c.Write(rest[:n]); err != nil || written != n {
					t.Errorf("Write: %d of %d, %v", written, n, err)
					return
				}
				rest = rest[n:]
			}
		})
		running.Go(func() {
			pieces := rand.New(rand.NewPCG(seeds[1], 0))
			want := both[1-i]
			got := make([]byte, 0, len(want))
			for len(got) < len(want) {
				n, err := c.Read(got[len(got):min(len(want), len(got)+pieces.IntN(pipeBuffer))])
				if err != nil {
					t.Errorf("Read: %v", err)
					return
				}
				got = got[:len(got)+n]
			}
			if !bytes.Equal(got, want) {
				t.Error("what came is not what was sent")
			}
		})
	}
	running.Wait()
}

// TestPipeBounded writes to a server that does not read.
func TestPipeBounded(t *testing.T) {
	client, _ := newPipe(t)
	if n, err := client.Write(make([]byte, pipeBuffer)); n != pipeBuffer || err != nil {
		t.Fatalf("what fits: %d, %v", n, err)
	}
	if err := client.SetDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	// The pump holds what it writes, in the buffer.
	if n, err := client.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what does not fit: %d, %v", n, err)
	}
}

// TestPipeRelieves has both ends write more than the buffer takes before either reads:
// neither waits for good.
func TestPipeRelieves(t *testing.T) {
	client, server := newPipe(t)
	text := bytes.Repeat([]byte("0123456789"), pipeBuffer/5)
	outcome := make(chan error, 2)
	write := func(c net.Conn) { _, err := c.Write(text); outcome <- err }
	read := func(c net.Conn) {
		got := make([]byte, len(text))
		if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, text) {
			t.Errorf("what came is not what was sent: %v", err)
		}
	}
	go write(client)
	write(server) // nobody reads but for the client's write that waits
	if err := receive(t, outcome); err != nil {
		t.Error(err)
	}
	read(server)
	if err := receive(t, outcome); err != nil {
		t.Error(err)
	}
	// What was set aside comes first, and what the server writes then after it.
	go write(server)
	read(client)
	read(client)
	if err := receive(t, outcome); err != nil {
		t.Error(err)
	}
}

func TestPipeDeadlines(t *testing.T) {
	client, server := newPipe(t)
	read := make([]byte, 1)
	for _, limit := range []time.Time{time.Now().Add(-time.Second), time.Now().Add(10 * time.Millisecond)} {
		if err := client.SetReadDeadline(limit); err != nil {
			t.Fatal(err)
		}
		n, err := client.Read(read)
		if timeout, is := errors.AsType[net.Error](err); n != 0 || !is || !timeout.Timeout() {
			t.Errorf("Read: %d, %v", n, err)
		}
	}
	// A deadline that is taken back does not come.
	if err := errors.Join(client.SetReadDeadline(time.Now().Add(20*time.Millisecond)), client.SetReadDeadline(time.Time{})); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() { _, err := client.Read(read); outcome <- err }()
	select {
	case err := <-outcome:
		t.Errorf("Read: %v", err)
	case <-time.After(50 * time.Millisecond): // longer than the deadline was
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, outcome); err != nil || read[0] != 'x' {
		t.Errorf("Read: %q, %v", read, err)
	}
	// One that is set while somebody waits does.
	go func() { _, err := client.Read(read); outcome <- err }()
	if err := client.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, outcome); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %v", err)
	}
}

// TestPipeClose has what was written before Close arrive, and a reader and a writer
// that wait let go.
func TestPipeClose(t *testing.T) {
	client, server := newPipe(t)
	text := bytes.Repeat([]byte("0123456789"), 1000)
	if _, err := client.Write(text); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() { _, err := client.Read(make([]byte, 1)); outcome <- err }()
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, outcome); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: %v", err)
	}
	if n, err := client.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write: %d, %v", n, err)
	}
	// The server may still write, to nobody.
	if _, err := server.Write(text); err != nil {
		t.Errorf("the server's Write: %v", err)
	}
	if got, err := io.ReadAll(server); err != nil || !bytes.Equal(got, text) {
		t.Errorf("the server reads %d bytes of %d, %v", len(got), len(text), err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// TestPipeServerCloses has what the server wrote arrive, and then the end.
func TestPipeServerCloses(t *testing.T) {
	client, server := newPipe(t)
	written := make(chan error, 1)
	go func() {
		_, err := fmt.Fprint(server, "last words")
		written <- errors.Join(err, server.Close())
	}()
	if got, err := io.ReadAll(client); err != nil || string(got) != "last words" {
		t.Errorf("%q, %v", got, err)
	}
	if err := receive(t, written); err != nil {
		t.Error(err)
	}
	until(t, "writes fail", func() bool { _, err := client.Write([]byte("x")); return errors.Is(err, io.ErrClosedPipe) })
}

func TestPipeNoServer(t *testing.T) {
	if _, err := NewPipes(&bare{}).InProcessConn(); err == nil {
		t.Error("connected")
	}
}
