package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
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

func pipePool(t testing.TB, workers int) *procpool.Pool {
	t.Helper()
	p, err := procpool.New(procpool.Options{Workers: workers, Stderr: discard, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

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

func pipeEnded() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// wantEOF fails unless nothing comes any more.
func wantEOF[T any](t testing.TB, e *ipc.PipeEnd[T]) {
	t.Helper()
	if v, err := e.Recv(t.Context()); err != io.EOF {
		t.Errorf("received %v, %v; want io.EOF", v, err)
	}
}

// TestPipe holds the rows of the group PI.
func TestPipe(t *testing.T) {
	p := pipePool(t, 2)
	duplex := ipc.PipeOptions{Duplex: true}
	t.Run("PI-01 PI-08 a duplex pipe echoes values and bytes", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, duplex)
		f := pipeEcho.Submit(t.Context(), p, b)
		b.Close() // before it has arrived
		for _, message := range []string{"one", "", "three"} {
			if err := a.Send(t.Context(), []byte(message)); err != nil {
				t.Fatal(err)
			}
			if got, err := a.Recv(t.Context()); string(got) != message || err != nil {
				t.Fatalf("%q came back as %q, %v", message, got, err)
			}
		}
		a.Close()
		if n := outcomeOf(t, f); n != 3 {
			t.Errorf("%d messages", n)
		}
		c, d := pipeOf[thing](t, duplex)
		f = pipeEchoThings.Submit(t.Context(), p, d)
		d.Close()
		want := thing{"x", []int{1, 2}, map[string]float64{"half": 0.5}}
		if err := c.Send(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Recv(t.Context()); fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
			t.Errorf("%v, %v", got, err)
		}
		c.Close()
		outcomeOf(t, f)
	})
	t.Run("PI-02 PI-03 into a buffer", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		long := bytes.Repeat([]byte("0123456789"), 100<<10)
		f := pipeSend.Submit(t.Context(), p, pipeMessages{b, [][]byte{[]byte("abc"), []byte("defgh"), nil, []byte("abc"), long, long}})
		b.Close()
		buf := []byte("........")
		if n, err := ipc.RecvInto(t.Context(), a, buf[2:]); n != 3 || err != nil || string(buf) != "..abc..." {
			t.Errorf("%d, %v, %q", n, err, buf)
		}
		n, err := ipc.RecvInto(t.Context(), a, buf[:4])
		short, is := errors.AsType[*ipc.BufferTooShortError](err)
		if n != 0 || !is || string(short.Message) != "defgh" || !errors.Is(err, io.ErrShortBuffer) || string(buf) != "..abc..." {
			t.Errorf("%d, %v, %q", n, err, buf)
		}
		if n, err := ipc.RecvInto(t.Context(), a, buf); n != 0 || err != nil || string(buf) != "..abc..." {
			t.Errorf("%d, %v, %q", n, err, buf)
		}
		if n, err := ipc.RecvInto(t.Context(), a, buf[:3]); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if _, err = ipc.RecvInto(t.Context(), a, buf); err == nil || !bytes.Equal(errors.Unwrap(err).(*ipc.BufferTooShortError).Message, long) {
			t.Error(err)
		}
		into := make([]byte, len(long)+1)
		if n, err := ipc.RecvInto(t.Context(), a, into); n != len(long) || err != nil || !bytes.Equal(into[:n], long) {
			t.Errorf("%d, %v", n, err)
		}
		if _, err := ipc.RecvInto(t.Context(), a, buf); err != io.EOF {
			t.Error(err)
		}
		outcomeOf(t, f)
	})
	t.Run("PI-04 PI-14 poll", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, duplex)
		f := pipeEcho.Submit(t.Context(), p, b)
		b.Close()
		if ready, err := a.Poll(pipeEnded()); ready || err != nil {
			t.Errorf("an idle pipe: %v, %v", ready, err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if ready, err := a.Poll(short); ready || err != nil {
			t.Errorf("an idle pipe, waited for: %v, %v", ready, err)
		}
		if _, err := a.TryRecv(); !errors.Is(err, ipc.ErrEmpty) {
			t.Error(err)
		}
		if err := a.Send(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if ready, err := a.Poll(t.Context()); !ready || err != nil {
				t.Errorf("an empty message: %v, %v", ready, err)
			}
		}
		if v, err := a.TryRecv(); len(v) > 0 || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		if ready, err := a.Poll(pipeEnded()); ready || err != nil {
			t.Errorf("after the message: %v, %v", ready, err)
		}
		a.Close()
		outcomeOf(t, f)
	})
	t.Run("PI-05 long messages", func(t *testing.T) {
		for _, opts := range []ipc.PipeOptions{{Duplex: true}, {Duplex: true, Bytes: 1}} {
			a, b := pipeOf[[]byte](t, opts)
			f := pipeEcho.Submit(t.Context(), p, b)
			b.Close()
			sizes := []int{16 << 20, 0, 256 << 20, 1}
			if testing.Short() || raceEnabled || opts.Bytes == 1 {
				sizes = []int{16 << 20, 0, 1}
			}
			for _, size := range sizes {
				message := make([]byte, size)
				for i := 0; i < size; i += 4096 {
					message[i] = byte(i >> 12)
				}
				sent := make(chan error, 1)
				go func() { sent <- a.Send(t.Context(), message) }()
				if got, err := a.Recv(t.Context()); !bytes.Equal(got, message) || err != nil {
					t.Fatalf("%d bytes came back as %d, %v", size, len(got), err)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			}
			a.Close()
			outcomeOf(t, f)
		}
	})
	t.Run("PI-06 PI-13 the end, and after it", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		f := pipeSend.Submit(t.Context(), p, pipeMessages{b, [][]byte{[]byte("last")}})
		b.Close()
		if v, err := a.Recv(t.Context()); string(v) != "last" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		wantEOF(t, a)
		wantEOF(t, a)
		if _, err := a.TryRecv(); err != io.EOF {
			t.Error(err)
		}
		if ready, err := a.Poll(t.Context()); !ready || err != nil {
			t.Errorf("%v, %v", ready, err)
		}
		outcomeOf(t, f)
		a.Close()
		for _, e := range []*ipc.PipeEnd[[]byte]{a, b} {
			_, err1 := e.Recv(t.Context())
			_, err2 := e.RecvFile(t.Context())
			_, err3 := e.Poll(t.Context())
			_, err4 := e.TryRecv()
			_, err5 := ipc.RecvInto(t.Context(), e, nil)
			for i, err := range []error{e.Send(t.Context(), nil), e.SendFile(t.Context(), os.Stdin), err1, err2, err3, err4, err5} {
				if !errors.Is(err, ipc.ErrClosed) {
					t.Errorf("%d: %v", i, err)
				}
			}
			if err := errors.Join(e.Close(), e.CloseAll()); err != nil || e.String() != "PipeEnd(closed)" {
				t.Errorf("%v, %v", e, err)
			}
		}
	})
	t.Run("PI-07 PI-19 directions, also of ends that were sent", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		if !a.Readable() || a.Writable() || b.Readable() || !b.Writable() {
			t.Errorf("%v, %v", a, b)
		}
		if said := outcomeOf(t, pipeMisuse.Submit(t.Context(), p, a)); said != [3]bool{true, false, false} {
			t.Errorf("the end that receives: %v", said)
		}
		if said := outcomeOf(t, pipeMisuse.Submit(t.Context(), p, b)); said != [3]bool{false, true, true} {
			t.Errorf("the end that sends: %v", said)
		}
		if err := a.SendFile(t.Context(), os.Stdin); !errors.Is(err, ipc.ErrDirection) {
			t.Error(err)
		}
		if _, err := b.RecvFile(t.Context()); !errors.Is(err, ipc.ErrDirection) {
			t.Error(err)
		}
	})
	t.Run("PI-10 PI-11 open files", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "file")
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var low []*os.File // so that the next has a number above 255
		for range 260 {
			if d, err := os.Open(os.DevNull); err == nil {
				low = append(low, d)
			}
		}
		high, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil || high.Fd() <= 255 {
			t.Fatal(high.Fd(), err)
		}
		for i, file := range []*os.File{f, high} {
			a, b := pipeOf[[]byte](t, duplex)
			done := pipeWriteFile.Submit(t.Context(), p, pipeText{b, strings.Repeat("x", i+1)})
			if err := a.SendFile(t.Context(), file); err != nil {
				t.Fatal(err)
			}
			file.Close()
			outcomeOf(t, done)
			a.Close()
			b.Close()
		}
		for _, d := range low {
			d.Close()
		}
		if text, err := os.ReadFile(name); string(text) != "xxx" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("PI-12 a file whose sender has ended, and what else is not there", func(t *testing.T) {
		p := pipePool(t, 1)
		a, b := pipeOf[[]byte](t, duplex)
		pid := outcomeOf(t, pipeSendFile.Submit(t.Context(), p, pipeText{b, os.DevNull}))
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for syscall.Kill(pid, 0) == nil {
			runtime.Gosched()
		}
		if err := b.Send(t.Context(), []byte("after")); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Recv(t.Context()); !errors.Is(err, ipc.ErrMismatch) {
			t.Errorf("Recv where a file is next: %v", err)
		}
		if _, err := a.RecvFile(t.Context()); !errors.Is(err, ipc.ErrGone) {
			t.Errorf("RecvFile of a file whose sender has ended: %v", err)
		}
		if _, err := a.RecvFile(t.Context()); !errors.Is(err, ipc.ErrMismatch) {
			t.Errorf("RecvFile where a message is next: %v", err)
		}
		if v, err := a.Recv(t.Context()); string(v) != "after" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
	t.Run("PI-15 PI-17 messages stay apart", func(t *testing.T) {
		var all [][]byte
		for i := range 200 {
			all = append(all, bytes.Repeat([]byte{byte(i)}, []int{0, 1, 0, 3000, 7, 0}[i%6]))
		}
		for _, size := range []int{0, 1} {
			a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: size})
			f := pipeSend.Submit(t.Context(), p, pipeMessages{b, all})
			b.Close()
			for i, want := range all {
				if got, err := a.Recv(t.Context()); !bytes.Equal(got, want) || err != nil {
					t.Fatalf("message %d: %d bytes instead of %d, %v", i, len(got), len(want), err)
				}
			}
			wantEOF(t, a)
			outcomeOf(t, f)
		}
	})
	t.Run("PI-18 ends and connections through pipes", func(t *testing.T) {
		one, two := pipeOf[*ipc.PipeEnd[string]](t, ipc.PipeOptions{})
		f := pipeDeliver.Submit(t.Context(), p, one)
		a, b := pipeOf[string](t, ipc.PipeOptions{})
		if err := two.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if v, err := a.Recv(t.Context()); v != "delivered" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		wantEOF(t, a)
		if said := outcomeOf(t, f); said != "PipeEnd(sends)" { // PI-19
			t.Error(said)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		c, d := pipeOf[[]byte](t, duplex)
		g := pipeDial.Submit(t.Context(), p, d)
		if err := c.Send(t.Context(), []byte(ln.Addr().String())); err != nil {
			t.Fatal(err)
		}
		here, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer here.Close()
		there, err := c.RecvConn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		if err := c.Send(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		outcomeOf(t, g)
		if _, err := there.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := here.Read(make([]byte, 2)); n != 1 || err != nil {
			t.Error(n, err)
		}
		if err := c.SendConn(t.Context(), struct{}{}); err == nil {
			t.Error("a struct{} is no connection")
		}
	})
	t.Run("PI-21 handles that lead nowhere", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		data, err := a.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		again := bytes.Clone(data)
		var e ipc.PipeEnd[[]byte]
		for i := range data {
			for _, bit := range []byte{1, 0x80} {
				bad := bytes.Clone(data)
				bad[i] ^= bit
				if err := e.UnmarshalCBOR(bad); err == nil {
					if i < len(data)-8 && i != 6 { // the ticket is only looked up; a neighbour may be the other end
						t.Errorf("byte %d: no error", i)
					}
					e.Close()
				}
			}
		}
		for _, bad := range [][]byte{nil, {0x40}, data[:10], append(bytes.Clone(data), 0)} {
			if err := e.UnmarshalCBOR(bad); err == nil {
				t.Errorf("%x: no error", bad)
			}
		}
		q, err := ipc.NewQueue[int](ipc.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Discard()
		if other, err := q.MarshalCBOR(); err != nil || !errors.Is(e.UnmarshalCBOR(other), ipc.ErrMismatch) {
			t.Error(err)
		}
		if err := new(ipc.PipeEnd[int]).UnmarshalCBOR(data); !errors.Is(err, ipc.ErrMismatch) {
			t.Errorf("bytes as values: %v", err)
		}
		a.CloseAll()
		if err := e.UnmarshalCBOR(again); !errors.Is(err, ipc.ErrGone) {
			t.Errorf("a handle of what is gone: %v", err)
		}
		if _, err := e.MarshalCBOR(); err == nil {
			t.Error("a handle that nobody has made can travel")
		}
		if err := b.Send(t.Context(), nil); !errors.Is(err, ipc.ErrPeerClosed) {
			t.Error(err)
		}
	})
	t.Run("PI-22 to a closed peer", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, duplex)
		f := pipeSend.Submit(t.Context(), p, pipeMessages{b, nil})
		b.Close()
		outcomeOf(t, f)
		for {
			err := a.Send(t.Context(), nil) // until its end is seen
			if err == nil {
				continue
			}
			if !errors.Is(err, ipc.ErrPeerClosed) || !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
			break
		}
		if err := a.SendFile(t.Context(), os.Stdin); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
	t.Run("PI-23 many at one end", func(t *testing.T) {
		const senders, each = 4, 50
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: 1})
		p := pipePool(t, 4)
		var fs []*futures.Future[int]
		for i := range senders / 2 { // the rest are goroutines here
			var all [][]byte
			for n := range each {
				all = append(all, bytes.Repeat([]byte{byte(i), byte(n)}, 50*n)) // many are longer than the pipe
			}
			fs = append(fs, pipeSend.Submit(t.Context(), p, pipeMessages{b, all}))
		}
		var sending sync.WaitGroup
		for i := senders / 2; i < senders; i++ {
			sending.Go(func() {
				for n := range each {
					if err := b.Send(t.Context(), bytes.Repeat([]byte{byte(i), byte(n)}, 50*n)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		go func() {
			sending.Wait()
			b.Close()
		}()
		var mu sync.Mutex
		seen := make(map[string]int)
		empty := 0
		var receiving sync.WaitGroup
		for range 3 {
			receiving.Go(func() {
				for {
					v, err := a.Recv(t.Context())
					if err == io.EOF {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					switch {
					case len(v) == 0:
						empty++
					case !bytes.Equal(v, bytes.Repeat(v[:2], len(v)/2)) || len(v) != 100*int(v[1]):
						t.Errorf("torn: %d bytes of %x", len(v), v[:2])
					default:
						seen[string(v[:2])]++
					}
					mu.Unlock()
				}
			})
		}
		receiving.Wait()
		for _, f := range fs {
			outcomeOf(t, f)
		}
		if empty != senders || len(seen) != senders*(each-1) {
			t.Errorf("%d empty messages, %d others", empty, len(seen))
		}
	})
}

// TestPipeEnds: PI3, PI4: when an end is gone.
func TestPipeEnds(t *testing.T) {
	p := pipePool(t, 2)
	t.Run("another handle in this process keeps it", func(t *testing.T) {
		a, b := pipeOf[string](t, ipc.PipeOptions{})
		data, err := b.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if ready, err := a.Poll(pipeEnded()); ready || err != nil {
			t.Errorf("on its way: %v, %v", ready, err)
		}
		var c ipc.PipeEnd[string]
		if err := c.UnmarshalCBOR(data); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if v, err := a.Recv(t.Context()); v != "x" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		wantEOF(t, a)
		if err := c.UnmarshalCBOR(data); !errors.Is(err, ipc.ErrGone) {
			t.Errorf("a second time: %v", err)
		}
	})
	t.Run("Close wakes who waits on that handle, and no other", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{Duplex: true, Bytes: 1})
		var c ipc.PipeEnd[[]byte]
		data, err := a.MarshalCBOR()
		if err == nil {
			err = c.UnmarshalCBOR(data)
		}
		if err != nil {
			t.Fatal(err)
		}
		said := make(chan error, 3)
		other := make(chan error, 1)
		go func() { _, err := c.Recv(t.Context()); other <- err }()
		go func() { _, err := a.Recv(t.Context()); said <- err }()
		go func() { _, err := a.Poll(t.Context()); said <- err }()
		go func() { said <- a.Send(context.Background(), make([]byte, 100000)) }()
		a.Close()
		for range 3 {
			if err := <-said; !errors.Is(err, ipc.ErrClosed) {
				t.Error(err)
			}
		}
		if err := b.Send(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
		c.Close()
		if err := b.Send(t.Context(), nil); !errors.Is(err, syscall.EPIPE) {
			t.Error(err)
		}
	})
	t.Run("a forgotten handle is closed by the collector", func(t *testing.T) {
		a, b := pipeOf[string](t, ipc.PipeOptions{})
		func() {
			var c ipc.PipeEnd[string]
			data, err := b.MarshalCBOR()
			if err == nil {
				err = c.UnmarshalCBOR(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}()
		b.Close()
		for ready := false; !ready; ready, _ = a.Poll(pipeEnded()) {
			runtime.GC()
		}
		wantEOF(t, a)
	})
	t.Run("a task that never begins, and CloseAll", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		ready, there := pipeOf[int](t, ipc.PipeOptions{})
		p := pipePool(t, 1)
		ctx, cancel := context.WithCancel(t.Context())
		first := pipeHold.Submit(ctx, p, pipeHeld{b, there})
		if _, err := ready.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		f := pipeSend.Submit(t.Context(), p, pipeMessages{b, nil})
		f.OnDone(func(*futures.Future[int]) { b.CloseAll() })
		f.Cancel()
		wantEOF(t, a) // though the first task has it
		cancel()
		first.Result(t.Context())
	})
	t.Run("the last holder is killed", func(t *testing.T) {
		for range 5 {
			a, b := pipeOf[[]byte](t, ipc.PipeOptions{Duplex: true, Bytes: 1})
			ready, there := pipeOf[int](t, ipc.PipeOptions{})
			f := pipeHold.Submit(t.Context(), p, pipeHeld{b, there})
			b.Close()
			there.Close()
			pid, err := ready.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			said := make(chan error, 1)
			go func() { said <- a.Send(t.Context(), make([]byte, 100000)) }()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			wantEOF(t, a)
			wantEOF(t, ready)
			if err := <-said; !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
			if _, err := f.Result(t.Context()); err == nil {
				t.Error("the task has ended well")
			}
		}
	})
	t.Run("an end as a result, and unread messages", func(t *testing.T) {
		e, err := pipeMake.Submit(t.Context(), p, "from afar").Result(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if v, err := e.Recv(t.Context()); v != "from afar" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
		wantEOF(t, e)
	})
	t.Run("Recv goes on after its context ended", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: 1})
		long := bytes.Repeat([]byte("abcdefgh"), 10000)
		sent := make(chan error, 1)
		go func() { sent <- b.Send(t.Context(), long) }()
		n := 0
		for {
			v, err := a.Recv(pipeEnded())
			if err == nil {
				if !bytes.Equal(v, long) {
					t.Errorf("%d bytes", len(v))
				}
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			n++
		}
		t.Log("interrupted", n, "times")
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		// A sender that gives up in the middle has sent nothing.
		ctx, cancel := context.WithCancel(t.Context())
		go func() { sent <- b.Send(ctx, long) }()
		for ready := false; !ready; ready, _ = a.Poll(t.Context()) {
		}
		cancel()
		if err := <-sent; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		go func() { sent <- b.Send(t.Context(), []byte("next")) }()
		if v, err := a.Recv(t.Context()); string(v) != "next" || err != nil {
			t.Errorf("%d bytes, %v", len(v), err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("files outlive the handle that sent them, and nothing else", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		for range 2 {
			if err := b.SendFile(t.Context(), os.Stdin); err != nil {
				t.Fatal(err)
			}
		}
		b.Close()
		f, err := a.RecvFile(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		a.Close() // the other file is nobody's; TestMain looks for what is left
	})
}

// TestPipeModel: PI2: what is received is what was sent, message by message, whatever their
// lengths, however they are received, and where the counters wrap around.
func TestPipeModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	p := pipePool(t, 1)
	for range 20 {
		ipc.StartRings(t, -uint32(random.IntN(3000)), -uint32(random.IntN(30)))
		opts := ipc.PipeOptions{Duplex: true, Bytes: 1 << random.IntN(18)}
		a, b := pipeOf[[]byte](t, opts)
		f := pipeEcho.Submit(t.Context(), p, b)
		b.Close()
		var all [][]byte
		for range 100 {
			message := make([]byte, random.IntN(1<<random.IntN(15)))
			for i := range message {
				message[i] = byte(random.Uint32())
			}
			all = append(all, message)
		}
		go func() {
			for _, message := range all {
				if err := a.Send(t.Context(), message); err != nil {
					t.Error(err)
				}
			}
		}()
		for i, want := range all {
			var got []byte
			var err error
			switch i % 3 {
			case 0:
				got, err = a.Recv(t.Context())
			case 1:
				for {
					if got, err = a.TryRecv(); !errors.Is(err, ipc.ErrEmpty) {
						break
					}
					a.Poll(t.Context())
				}
			case 2:
				got = make([]byte, 1<<15)
				n := 0
				n, err = ipc.RecvInto(t.Context(), a, got)
				got = got[:n]
			}
			if err != nil || !slices.Equal(got, want) {
				t.Fatalf("message %d of %d bytes, %+v: got %d, %v", i, len(want), opts, len(got), err)
			}
		}
		a.Close()
		if n := outcomeOf(t, f); n != len(all) {
			t.Errorf("%d of %d came", n, len(all))
		}
	}
}
