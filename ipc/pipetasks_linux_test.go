package ipc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

type thing struct {
	Name  string
	Parts []int
	Of    map[string]float64
}

var (
	// pipeEcho sends back what it receives.
	pipeEcho = futures.Define("pipe.echo", func(ctx context.Context, e *ipc.PipeEnd[[]byte]) (n int, err error) {
		defer e.Close()
		for ; ; n++ {
			b, err := e.Recv(ctx)
			if err == io.EOF {
				return n, nil
			}
			if err == nil {
				err = e.Send(ctx, b)
			}
			if err != nil {
				return n, err
			}
		}
	})
	pipeEchoThings = futures.Define("pipe.echoThings", func(ctx context.Context, e *ipc.PipeEnd[thing]) (n int, err error) {
		defer e.Close()
		for ; ; n++ {
			v, err := e.Recv(ctx)
			if err == io.EOF {
				return n, nil
			}
			if err == nil {
				err = e.Send(ctx, v)
			}
			if err != nil {
				return n, err
			}
		}
	})
	// pipeSend sends messages one after the other.
	pipeSend = futures.Define("pipe.send", func(ctx context.Context, in pipeMessages) (int, error) {
		defer in.End.Close()
		for i, b := range in.All {
			if err := in.End.Send(ctx, b); err != nil {
				return i, err
			}
		}
		return len(in.All), nil
	})
	// pipeMisuse tells what each direction says to an end.
	pipeMisuse = futures.Define("pipe.misuse", func(ctx context.Context, e *ipc.PipeEnd[[]byte]) (said [3]bool, err error) {
		defer e.Close()
		done, cancel := context.WithCancel(ctx)
		cancel()
		said[0] = errors.Is(e.Send(done, nil), ipc.ErrDirection)
		_, err = e.Recv(done)
		said[1] = errors.Is(err, ipc.ErrDirection)
		_, err = e.Poll(done)
		said[2] = errors.Is(err, ipc.ErrDirection)
		return said, nil
	})
	// pipeHold has an end until its context ends.
	pipeHold = futures.Define("pipe.hold", func(ctx context.Context, in pipeHeld) (int, error) {
		if err := in.Ready.Send(ctx, os.Getpid()); err != nil {
			return 0, err
		}
		<-ctx.Done()
		runtime.KeepAlive(in)
		return 0, ctx.Err()
	})
	// pipeWriteFile writes into a file that it receives.
	pipeWriteFile = futures.Define("pipe.writeFile", func(ctx context.Context, in pipeText) (fd int, err error) {
		defer in.End.Close()
		f, err := in.End.RecvFile(ctx)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		_, err = f.WriteString(in.Text)
		return int(f.Fd()), err
	})
	// pipeSendFile sends an open file and ends without anybody having received it.
	pipeSendFile = futures.Define("pipe.sendFile", func(ctx context.Context, in pipeText) (int, error) {
		f, err := os.Open(in.Text)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		return os.Getpid(), in.End.SendFile(ctx, f)
	})
	// pipeDial receives an address, connects to it, and sends the connection back.
	pipeDial = futures.Define("pipe.dial", func(ctx context.Context, e *ipc.PipeEnd[[]byte]) (int, error) {
		address, err := e.Recv(ctx)
		if err != nil {
			return 0, err
		}
		conn, err := net.Dial("tcp", string(address))
		if err != nil {
			return 0, err
		}
		defer conn.Close()
		if err := e.SendConn(ctx, conn); err != nil {
			return 0, err
		}
		_, err = e.Recv(ctx) // until it was received
		return 0, err
	})
	// pipeDeliver receives an end through a pipe and uses it.
	pipeDeliver = futures.Define("pipe.deliver", func(ctx context.Context, ends *ipc.PipeEnd[*ipc.PipeEnd[string]]) (said string, err error) {
		e, err := ends.Recv(ctx)
		if err != nil {
			return "", err
		}
		defer e.Close()
		return e.String(), e.Send(ctx, "delivered")
	})
	pipeMake = futures.Define("pipe.make", func(ctx context.Context, text string) (*ipc.PipeEnd[string], error) {
		a, b, err := ipc.Pipe[string](ipc.PipeOptions{})
		if err != nil {
			return nil, err
		}
		defer b.Close()
		return a, b.Send(ctx, text)
	})
)

type (
	pipeMessages struct {
		End *ipc.PipeEnd[[]byte]
		All [][]byte
	}
	pipeHeld struct {
		End   *ipc.PipeEnd[[]byte]
		Ready *ipc.PipeEnd[int]
	}
	pipeText struct {
		End  *ipc.PipeEnd[[]byte]
		Text string
	}
)

func pipeOf[T any](t testing.TB, opts ipc.PipeOptions) (a, b *ipc.PipeEnd[T]) {
	t.Helper()
	a, b, err := ipc.Pipe[T](opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// wantEOF fails unless nothing comes any more.
func wantEOF[T any](t testing.TB, e *ipc.PipeEnd[T]) {
	t.Helper()
	if v, err := e.Recv(t.Context()); err != io.EOF {
		t.Errorf("received %v, %v; want io.EOF", v, err)
	}
}
