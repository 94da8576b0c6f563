package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

// TestPipeEnds: PI3, PI4: when an end is gone.
func TestPipeEnds(t *testing.T) {
	p := open(t, 2)
	t.Run("another handle in this process keeps it", func(t *testing.T) {
		a, b := pipeOf[string](t, ipc.PipeOptions{})
		data, err := b.MarshalCBOR()
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if ready, err := a.Poll(ended()); ready || err != nil {
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
		wait := func(what string, err error) {
			if !errors.Is(err, ipc.ErrClosed) {
				err = fmt.Errorf("%s: %w", what, err)
			} else {
				err = nil
			}
			said <- err
		}
		go func() { _, err := a.Recv(t.Context()); wait("Recv", err) }()
		go func() { ready, err := a.Poll(t.Context()); wait(fmt.Sprint("Poll ", ready), err) }()
		go func() { wait("Send", a.Send(context.Background(), make([]byte, 100000))) }()
		a.Close()
		for range 3 {
			if err := <-said; err != nil {
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
		for ready := false; !ready; ready, _ = a.Poll(ended()) {
			runtime.GC()
		}
		wantEOF(t, a)
	})
	t.Run("a task that never begins, and CloseAll", func(t *testing.T) {
		a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
		ready, there := pipeOf[int](t, ipc.PipeOptions{})
		p := open(t, 1)
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
			v, err := a.Recv(ended())
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
	p := open(t, 1)
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
