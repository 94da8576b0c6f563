package fdpass

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// ErrOtherUser says that the process at the other end of a socket is of another user (FP1).
var ErrOtherUser = errors.New("the other process is of another user")

// patience is how long the other side of a connection that was accepted may take.
const patience = 10 * time.Second

// NameSize is how many bytes the name of a socket has, which are to be random.
const NameSize = 16

// Address returns the address of a socket with such a name, for Dial. It is in the abstract
// namespace: in no file system, and gone with the socket.
func Address(name []byte) string { return "@futures-" + hex.EncodeToString(name) }

// Listen makes a socket with such a name.
func Listen(name []byte) (*net.UnixListener, error) {
	return net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: Address(name)})
}

// Dial connects to a process of the same user. When ctx ends, also later, the connection is
// closed; so it is by done.
func Dial(ctx context.Context, address string) (conn *net.UnixConn, done func(), err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", address)
	if err != nil {
		return nil, nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, nil, fmt.Errorf("a connection of type %T", c)
	}
	if err = checkPeer(conn); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() {
		stop()
		_ = conn.Close()
	}, nil
}

// Serve calls serve with each connection of a process of the same user, until ctx ends. Then
// it closes the listener and the connections, and returns when all calls have returned (FP3).
// If serve fails, the other side sees that nothing comes.
func Serve(ctx context.Context, ln *net.UnixListener, serve func(*net.UnixConn) error) {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var calls sync.WaitGroup
	defer calls.Wait()
	for ctx.Err() == nil {
		conn, err := ln.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // no descriptors, say: there may be some in a moment
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		calls.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(patience))
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			if checkPeer(conn) == nil {
				_ = serve(conn) // the other side sees that nothing comes
			}
		})
	}
}

// Send writes bytes and, with the first of them, a descriptor of f's.
func Send(conn *net.UnixConn, data []byte, f *os.File) error { return send(conn, data, f) }

// Recv reads as many bytes as there are and fit, at least one, and the file that came with
// them (FP2). Its name is for error texts.
func Recv(conn *net.UnixConn, data []byte, name string) (n int, f *os.File, err error) {
	return recv(conn, data, name)
}

// Duplicate returns a file of its own for the same open file.
func Duplicate(f *os.File) (*os.File, error) {
	d, err := duplicate(f)
	if err != nil {
		return nil, fmt.Errorf("duplicate of %s: %w", f.Name(), err)
	}
	return d, nil
}
