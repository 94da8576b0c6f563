package fdpass

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

// serve serves at a new name until the test ends.
func serve(t *testing.T, fn func(*net.UnixConn) error) (address string, stop func()) {
	t.Helper()
	name := make([]byte, NameSize)
	_, _ = rand.Read(name)
	ln, err := Listen(name)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Serve(ctx, ln, fn)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return Address(name), stop
}

// TestPass: FP1, FP2: a file arrives with the bytes, as one that is closed like any other.
func TestPass(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	address, _ := serve(t, func(conn *net.UnixConn) error { return Send(conn, []byte("abc"), w) })
	conn, done, err := Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	data := make([]byte, 8)
	n, f, err := Recv(conn, data, "passed")
	if err != nil || string(data[:n]) != "abc" || f.Name() != "passed" {
		t.Fatal(n, f, err)
	}
	w.Close()
	d, err := Duplicate(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := d.WriteString("x"); err != nil {
		t.Error(err)
	}
	d.Close()
	if all, err := io.ReadAll(r); string(all) != "x" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

// TestNothingComes: bytes without a file, and a connection that just ends, are errors.
func TestNothingComes(t *testing.T) {
	said := errors.New("not today")
	for _, fn := range []func(*net.UnixConn) error{
		func(*net.UnixConn) error { return said },
		func(conn *net.UnixConn) error { _, err := conn.Write([]byte("abc")); return err },
	} {
		address, _ := serve(t, fn)
		conn, done, err := Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		if n, f, err := Recv(conn, make([]byte, 8), ""); err == nil {
			t.Errorf("%d bytes, %v", n, f)
		}
		done()
	}
}

// TestServeEnds: FP3: with connections that say nothing, and a context that ends.
func TestServeEnds(t *testing.T) {
	entered := make(chan struct{})
	address, stop := serve(t, func(conn *net.UnixConn) error {
		close(entered)
		_, err := conn.Read(make([]byte, 1))
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	conn, done, err := Dial(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	<-entered
	stop()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
	cancel()
	if _, _, err := Dial(t.Context(), address); err == nil {
		t.Error("the socket is there")
	}
}
