package ipc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/internal/family"
	"github.com/futures-go/futures/internal/fdpass"
)

// SendFile sends an open file, a socket or whatever f is: the receiver gets a descriptor of
// its own for the same open file, with the same offset. The caller can close f at once.
//
// Shared memory cannot carry descriptors. So this process keeps a duplicate and hands it out,
// over a socket without a name in any file system, to a process of the same user that has the
// token from the pipe: until the file is received or nobody can receive it any more, also
// after Close. If this process ends before, the file is lost and the receiver is told.
//
// The errors are those of Send. Linux only.
func (e *PipeEnd[T]) SendFile(ctx context.Context, f *os.File) error {
	c, err := e.get()
	if err == nil {
		err = c.sendFile(ctx, f)
	}
	return fail("PipeEnd.SendFile", err)
}

// RecvFile receives an open file, waiting for one as long as ctx lasts. The errors are those
// of Recv; if a message is next, the error wraps ErrMismatch and the message stays there. The
// error wraps ErrGone if the process that sent the file has ended; then that file is
// passed over. Linux only.
func (e *PipeEnd[T]) RecvFile(ctx context.Context) (*os.File, error) {
	c, err := e.get()
	var f *os.File
	if err == nil {
		f, err = c.recvFile(ctx)
	}
	return f, failEOF("PipeEnd.RecvFile", err)
}

// SendConn is SendFile for a connection or listener of package net that has a File method. The
// caller's own is left open.
func (e *PipeEnd[T]) SendConn(ctx context.Context, conn any) error {
	filer, ok := conn.(interface{ File() (*os.File, error) })
	if !ok {
		return fail("PipeEnd.SendConn", fmt.Errorf("%T has no File method", conn))
	}
	f, err := filer.File()
	if err != nil {
		return fail("PipeEnd.SendConn", err)
	}
	defer func() { _ = f.Close() }()
	return e.SendFile(ctx, f)
}

// RecvConn receives what SendConn has sent, if it is a connection. A listener is received
// with RecvFile and net.FileListener.
func (e *PipeEnd[T]) RecvConn(ctx context.Context) (net.Conn, error) {
	f, err := e.RecvFile(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	return conn, fail("PipeEnd.RecvConn", err)
}

// The record of a file: random bytes that name the socket, others that the receiver says
// there, and the name of the file.
const (
	fileSocket = fdpass.NameSize
	fileToken  = 16
	fileName   = 255 // bytes at most
)

// fileServer hands out a file until its record was taken.
type fileServer struct {
	file  *os.File // the duplicate; closed by run
	ln    *net.UnixListener
	token []byte
	ring  *pipeRing // of its own, so that it stays when the end is closed; left by run
	count uint32    // of the record
}

func (c *endCore) sendFile(ctx context.Context, f *os.File) error {
	if !c.enter() {
		return ErrClosed
	}
	defer c.leave()
	switch {
	case !c.sends:
		return ErrDirection
	case c.out == nil:
		return errPeerClosed
	}
	record := make([]byte, fileSocket+fileToken, fileSocket+fileToken+fileName)
	_, _ = rand.Read(record) // never fails
	name := filepath.Base(f.Name())
	record = append(record, name[:min(len(name), fileName)]...)
	s := &fileServer{token: record[fileSocket:][:fileToken]}
	file, err := fdpass.Duplicate(f)
	if err != nil {
		return err
	}
	s.file = file
	if s.ln, err = fdpass.Listen(record[:fileSocket]); err != nil {
		_ = file.Close()
		return err
	}
	s.ring, err = c.anotherOut()
	if err == nil {
		s.count, err = c.send(ctx, pieceFile, record)
		if err != nil {
			s.ring.leave()
		}
	}
	if err != nil {
		_ = s.ln.Close()
		_ = s.file.Close()
		return err
	}
	go s.run()
	return nil
}

// anotherOut opens the ring that this end sends to once more.
func (c *endCore) anotherOut() (*pipeRing, error) {
	ref, _ := ringOf(c.o, endOut)
	o, err := c.o.Family().OpenApart(ref)
	if errors.Is(err, family.ErrGone) {
		return nil, errPeerClosed
	}
	if err != nil {
		return nil, err
	}
	r, err := openPipeRing(o, c.o.Word(endRaw).Load() == 1)
	if err != nil {
		o.Release()
	}
	return r, err
}

// run serves the file until nobody needs it any more: its record was taken, of which the end
// of a receiver's connection tells, or it never will be.
func (s *fileServer) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fdpass.Serve(ctx, s.ln, func(conn *net.UnixConn) error {
			err := s.hand(conn)
			if s.ring.wasTaken(s.count) {
				cancel()
			}
			return err
		})
	}()
	_ = s.ring.unread.Wait(ctx, func() bool { return s.ring.wasTaken(s.count) }, func() bool { return true })
	cancel()
	<-ended
	_ = s.file.Close()
	s.ring.leave()
}

// hand gives the file to one who has the token, and returns when that one has dealt with it.
func (s *fileServer) hand(conn *net.UnixConn) error {
	token := make([]byte, fileToken)
	if _, err := io.ReadFull(conn, token); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(token, s.token) != 1 {
		return errors.New("a wrong token")
	}
	assert.Reach("token read, file not handed over")
	if err := fdpass.Send(conn, []byte{1}, s.file); err != nil {
		return err
	}
	_, err := conn.Read(token)
	return err
}

func (c *endCore) recvFile(ctx context.Context) (*os.File, error) {
	w := waiting{ctx: ctx, end: c}
	in, err := c.receive(&w, true, true)
	if err != nil {
		return nil, err
	}
	record := in.bytes()
	if len(record) < fileSocket+fileToken {
		c.received(&w, in, true)
		return nil, fmt.Errorf("%w: a file in %d bytes", ErrCorrupt, len(record))
	}
	f, closeConn, err := fetchFile(w.context(), record)
	if err != nil && w.context().Err() != nil {
		err = context.Cause(w.context())
		closeConn()
		c.received(&w, in, false) // it stays for another try
		return nil, err
	}
	c.received(&w, in, true)
	closeConn() // which tells the sender that the record was taken
	if err != nil {
		err = fmt.Errorf("%w: the process that sent a file has ended: %w", ErrGone, err)
	}
	return f, err
}

// fetchFile gets a file from the process that has sent it.
func fetchFile(ctx context.Context, record []byte) (f *os.File, closeConn func(), err error) {
	conn, done, err := fdpass.Dial(ctx, fdpass.Address(record[:fileSocket]))
	if err != nil {
		return nil, func() {}, err
	}
	if _, err = conn.Write(record[fileSocket:][:fileToken]); err == nil {
		_, f, err = fdpass.Recv(conn, make([]byte, 1), string(record[fileSocket+fileToken:]))
	}
	return f, done, err
}
