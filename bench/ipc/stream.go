package ipc

import (
	"bufio"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/futures-go/futures/bench/internal/harness"
)

// A stream is a side of bytes that flow: each message is one write, with 32 bits of
// length before it.
type stream struct {
	w     io.Writer
	r     *bufio.Reader
	frame []byte // what is being written
}

const streamHead = 4

func newStream(r io.Reader, w io.Writer) *stream {
	return &stream{w: w, r: bufio.NewReaderSize(r, 64*kib)}
}

func (s *stream) send(b []byte) error {
	s.frame = append(binary.LittleEndian.AppendUint32(s.frame[:0], uint32(len(b))), b...)
	_, err := s.w.Write(s.frame)
	return err
}

func (s *stream) recv(buf []byte) ([]byte, error) {
	head, err := s.r.Peek(streamHead)
	if err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head))
	if _, err := s.r.Discard(streamHead); err != nil {
		return nil, err
	}
	if n > len(buf) {
		buf = make([]byte, n)
	}
	_, err = io.ReadFull(s.r, buf[:n])
	return buf[:n], err
}

// streamEnd is a stream to a process.
type streamEnd struct {
	*stream
	cmd  *exec.Cmd
	conn io.Closer
}

func (s streamEnd) close() error {
	return errors.Join(s.send(order(orderEnd, 0, 0)), s.cmd.Wait(), s.conn.Close())
}

func barePipe() harness.System {
	return adapter{
		connect: func(int) (end, error) {
			cmd, r, w, err := piped("pipe")
			if err != nil {
				return nil, err
			}
			return streamEnd{newStream(r, w), cmd, closers{r, w}}, nil
		},
		records: func() (records, error) {
			cmd, r, w, err := piped("gob")
			if err != nil {
				return nil, err
			}
			return &gobRecords{cmd, closers{r, w}, gob.NewEncoder(w), gob.NewDecoder(r)}, nil
		},
	}.answers(harness.System{
		Name:  "pipe",
		About: "a floor: os.Pipe, two of them, each message one write of its length and itself; structs by gob",
		Find:  harness.Go,
	})
}

// piped starts this program in a role, with a pipe to its standard input and one from
// its standard output.
func piped(role string) (cmd *exec.Cmd, r, w *os.File, err error) {
	if cmd, err = inRole(role); err != nil {
		return nil, nil, nil, err
	}
	// Not those of the command, which it closes when it waits.
	theirs, w, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, err
	}
	r, theirsToo, err := os.Pipe()
	if err != nil {
		return nil, nil, nil, errors.Join(err, closing(theirs, w)())
	}
	cmd.Stdin, cmd.Stdout = theirs, theirsToo
	if err := errors.Join(cmd.Start(), theirs.Close(), theirsToo.Close()); err != nil {
		return nil, nil, nil, errors.Join(err, closing(r, w)())
	}
	return cmd, r, w, nil
}

// gobRecords is a channel of records by gob.
type gobRecords struct {
	cmd  *exec.Cmd
	conn io.Closer
	enc  *gob.Encoder
	dec  *gob.Decoder
}

func (g *gobRecords) run(n int) error {
	if err := g.enc.Encode(n); err != nil {
		return err
	}
	for i := range n {
		if err := g.enc.Encode(recordOf(i)); err != nil {
			return err
		}
	}
	var got int
	if err := g.dec.Decode(&got); err != nil {
		return err
	}
	return counted(int64(got), int64(n))
}

func (g *gobRecords) close() error {
	return errors.Join(g.enc.Encode(0), g.cmd.Wait(), g.conn.Close())
}

func serveGob() error {
	enc, dec := gob.NewEncoder(os.Stdout), gob.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var n int
		if err := dec.Decode(&n); err != nil || n == 0 {
			return err
		}
		err := takeRecords(n, func() (r record, err error) {
			err = dec.Decode(&r)
			return r, err
		})
		if err == nil {
			err = enc.Encode(n)
		}
		if err != nil {
			return err
		}
	}
}

type closers []io.Closer

func (c closers) Close() error { return closing(c...)() }

func servePipe() error { return serveOther(newStream(os.Stdin, os.Stdout)) }

// socketVariable names the socket to which the other process connects.
const socketVariable = "FUTURES_BENCH_SOCKET"

func unixSocket() harness.System {
	return adapter{connect: func(int) (end, error) {
		folder, err := os.MkdirTemp("", "bench-")
		if err != nil {
			return nil, err
		}
		// The socket has done its part when both are connected.
		defer func() { _ = os.RemoveAll(folder) }()
		socket := filepath.Join(folder, "socket")
		listener, err := net.Listen("unix", socket)
		if err != nil {
			return nil, err
		}
		defer func() { _ = listener.Close() }()
		cmd, err := inRole("unix-socket")
		if err != nil {
			return nil, err
		}
		cmd.Env = append(cmd.Env, socketVariable+"="+socket)
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		conn, err := listener.Accept()
		return streamEnd{newStream(conn, conn), cmd, conn}, err
	}}.answers(harness.System{
		Name:  "unix-socket",
		About: "a floor: a stream over a Unix socket, each message one write of its length and itself",
		Find:  harness.Go,
	})
}

func serveUnixSocket() error {
	conn, err := net.Dial("unix", os.Getenv(socketVariable))
	if err != nil {
		return err
	}
	return errors.Join(serveOther(newStream(conn, conn)), conn.Close())
}
