package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

// TestPipe holds the rows of the group PI.
func TestPipe(t *testing.T) {
	p := open(t, 2)
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
		if ready, err := a.Poll(ended()); ready || err != nil {
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
		if ready, err := a.Poll(ended()); ready || err != nil {
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
		p := open(t, 1)
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
		third, err := a.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		var held ipc.PipeEnd[[]byte] // keeps the memory of the end
		if err := held.UnmarshalCBOR(third); err != nil {
			t.Fatal(err)
		}
		a.CloseAll()
		if err := e.UnmarshalCBOR(again); !errors.Is(err, ipc.ErrGone) {
			t.Errorf("a handle of what is gone: %v", err)
		}
		held.Close()
		if err := e.UnmarshalCBOR(again); !errors.Is(err, ipc.ErrGone) {
			t.Errorf("a handle of what nobody has any more: %v", err)
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
		p := open(t, 4)
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
