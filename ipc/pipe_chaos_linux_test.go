package ipc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// A message of the chaos names its life and its number, and the rest of it follows from both.
func chaosMessage(life, n int) []byte {
	length := 8
	switch n % 5 {
	case 1:
		length += n % 700
	case 3:
		length += 3000 + n%9000 // longer than a small pipe
	}
	b := bytes.Repeat([]byte{byte(life ^ n)}, length)
	binary.LittleEndian.PutUint32(b, uint32(life))
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	return b
}

func readChaosMessage(b []byte) (life, n int, err error) {
	if len(b) < 8 {
		return 0, 0, fmt.Errorf("torn: %d bytes", len(b))
	}
	life, n = int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	if !bytes.Equal(b, chaosMessage(life, n)) {
		return 0, 0, fmt.Errorf("torn: message %d of life %d, of %d bytes", n, life, len(b))
	}
	return life, n, nil
}

type pipeLife struct {
	End   *ipc.PipeEnd[[]byte]
	Ready *ipc.PipeEnd[int] // told its process number when it has begun
	Life  int
	N     int    // messages; as many as it can if it is negative
	Marks string // two bytes for each of the first lifeItems messages of a life: sent, received
}

// mark counts that a message was sent (0) or received (1).
func mark(marks []byte, life, n, what int) {
	if marks != nil && n < lifeItems {
		marks[2*(life*lifeItems+n)+what]++
	}
}

var (
	// pipeChaosSend sends until nobody reads any more.
	pipeChaosSend = futures.Define("pipe.chaosSend", func(ctx context.Context, in pipeLife) (n int, err error) {
		defer in.End.Close()
		defer in.Ready.Close()
		if err := in.Ready.Send(ctx, os.Getpid()); err != nil {
			return 0, err
		}
		var marks []byte
		if in.Marks != "" {
			if marks, err = mapFile(in.Marks); err != nil {
				return 0, err
			}
			defer syscall.Munmap(marks)
		}
		for ; n != in.N; n++ {
			if err = in.End.Send(ctx, chaosMessage(in.Life, n)); err != nil {
				break
			}
			mark(marks, in.Life, n, 0)
		}
		if errors.Is(err, syscall.EPIPE) && errors.Is(err, ipc.ErrPeerClosed) {
			err = nil
		}
		return n, err
	})
	// pipeChaosReceive receives to the end, in order.
	pipeChaosReceive = futures.Define("pipe.chaosReceive", func(ctx context.Context, in pipeLife) (n int, err error) {
		defer in.End.Close()
		defer in.Ready.Close()
		if err := in.Ready.Send(ctx, os.Getpid()); err != nil {
			return 0, err
		}
		var marks []byte
		if in.Marks != "" {
			if marks, err = mapFile(in.Marks); err != nil {
				return 0, err
			}
			defer syscall.Munmap(marks)
		}
		last := make(map[int]int)
		for ; ; n++ {
			b, err := in.End.Recv(ctx)
			if err == io.EOF {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			life, i, err := readChaosMessage(b)
			if before, ok := last[life]; err == nil && ok && i <= before {
				err = fmt.Errorf("message %d after %d", i, before)
			}
			if err != nil {
				return n, err
			}
			last[life] = i
			mark(marks, life, i, 1)
		}
	})
)

// TestPipeChaos: whoever of the two at a pipe is killed, the other is told, and nothing is
// torn. And the same without kills, which hide lost wake-ups.
func TestPipeChaos(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	pool := func(t *testing.T) *procpool.Pool { return open(t, 2) }
	sizes := []int{1, 64 << 10}
	t.Run("the sender is killed, or both", func(t *testing.T) {
		p := pool(t)
		for i := range kills(150) / 2 {
			a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: sizes[i%2]})
			ready, there := pipeOf[int](t, ipc.PipeOptions{})
			f := pipeChaosSend.Submit(t.Context(), p, pipeLife{End: b, Ready: there, Life: i, N: -1})
			b.Close()
			there.Close()
			pid, err := ready.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after := random.IntN(300)
			n := 0
			for ; ; n++ {
				if n == after {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				message, err := a.Recv(t.Context())
				if err == io.EOF {
					break
				}
				if life, got, torn := readChaosMessage(message); err != nil || torn != nil || life != i || got != n {
					t.Fatalf("round %d: message %d of life %d instead of %d: %v, %v", i, got, life, n, err, torn)
				}
			}
			if n < after {
				t.Errorf("the end after %d of %d messages", n, after)
			}
			if _, err := f.Result(t.Context()); err == nil {
				t.Error("a killed process ended well")
			}
			a.Close()
			ready.Close()
		}
	})
	t.Run("the receiver is killed", func(t *testing.T) {
		p := pool(t)
		for i := range kills(150) / 2 {
			a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: sizes[i%2]})
			ready, there := pipeOf[int](t, ipc.PipeOptions{})
			f := pipeChaosReceive.Submit(t.Context(), p, pipeLife{End: a, Ready: there, Life: i, N: -1})
			a.Close()
			there.Close()
			pid, err := ready.Recv(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			after := random.IntN(300)
			for n := 0; ; n++ {
				if n == after {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				err := b.Send(t.Context(), chaosMessage(i, n))
				if errors.Is(err, syscall.EPIPE) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if _, err := f.Result(t.Context()); err == nil {
				t.Error("a killed process ended well")
			}
			b.Close()
			ready.Close()
		}
	})
	t.Run("without kills", func(t *testing.T) {
		p := pool(t)
		for i := range kills(150) / 2 {
			a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: sizes[i%2]})
			ready, there := pipeOf[int](t, ipc.PipeOptions{})
			n := random.IntN(300)
			f := pipeChaosSend.Submit(t.Context(), p, pipeLife{End: b, Ready: there, Life: i, N: n})
			g := pipeChaosReceive.Submit(t.Context(), p, pipeLife{End: a, Ready: there, Life: i, N: -1})
			a.Close()
			b.Close()
			there.Close()
			if sent, got := outcomeOf(t, f), outcomeOf(t, g); sent != n || got != n {
				t.Errorf("%d sent, %d received, of %d", sent, got, n)
			}
			ready.Close()
		}
	})
	t.Run("many at one pipe, some are killed", func(t *testing.T) {
		chaosAtOnePipe(t, random, kills(150)/2)
	})
	t.Run("many at one pipe, without kills", func(t *testing.T) {
		chaosAtOnePipe(t, random, 0)
	})
}

// chaosAtOnePipe: two processes send and two receive; who is killed is replaced, and takes at
// most one message with it.
func chaosAtOnePipe(t *testing.T, random *rand.Rand, kills int) {
	p := open(t, 4)
	a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: 1})
	ready, there := pipeOf[int](t, ipc.PipeOptions{})
	const each = 2000
	lives := kills + 5
	path, marks := newMarks(t, 2*lives*lifeItems)
	type running struct {
		f      *futures.Future[int]
		sender bool
	}
	var all []running
	life := 0
	start := func(sender bool, n int) {
		life++
		if sender {
			all = append(all, running{pipeChaosSend.Submit(t.Context(), p, pipeLife{b, there, life, n, path}), true})
		} else {
			all = append(all, running{pipeChaosReceive.Submit(t.Context(), p, pipeLife{a, there, life, n, path}), false})
		}
	}
	n := -1
	if kills == 0 {
		n = each
	}
	for range 2 {
		start(true, n)
		start(false, -1)
	}
	pids := make(map[int]bool)
	for range 4 {
		pid, err := ready.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	for range kills {
		time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond)
		for pid := range pids { // in any order
			delete(pids, pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			break
		}
		for i := 0; ; i = (i + 1) % len(all) {
			if _, _, done := all[i].f.TryResult(); done {
				_, err := all[i].f.Result(t.Context())
				if _, crash := errors.AsType[*futures.CrashError](err); !crash {
					t.Fatalf("sender %v: %v", all[i].sender, err)
				}
				sender := all[i].sender
				all = append(all[:i], all[i+1:]...)
				start(sender, -1)
				break
			}
		}
		pid, err := ready.Recv(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	there.Close()
	sent, received := 0, 0
	if kills == 0 {
		b.Close()
		a.Close()
	} else {
		a.Close() // the receivers have it still
		b.CloseAll()
	}
	for _, r := range all {
		n, err := r.f.Result(t.Context())
		switch {
		case r.sender && errors.Is(err, ipc.ErrClosed) && kills > 0:
		case err != nil:
			t.Errorf("sender %v: %v", r.sender, err)
		case r.sender:
			sent += n
		default:
			received += n
		}
	}
	lost, unmarked, first := 0, 0, 0
	for i := 0; i < len(marks); i += 2 {
		switch put, got := marks[i], marks[i+1]; {
		case put > 1 || got > 1:
			t.Errorf("message %d was sent %d times and received %d times", i/2, put, got)
		case put > got:
			lost++
		case put < got:
			unmarked++ // its sender died before it could mark it
		case put == 1:
			first++
		}
	}
	t.Logf("%d messages sent and received, %d lost, %d received of which the sender says nothing", first, lost, unmarked)
	if lost > kills || unmarked > kills {
		t.Errorf("%d kills, but %d messages were lost, and %d of dead senders received", kills, lost, unmarked)
	}
	if kills == 0 && (sent != 2*each || received != sent) {
		t.Errorf("%d sent, %d received", sent, received)
	}
}

// TestPipeKilledAtNamedPoints: PI1, PI2, PI3, PI4: a process dies at each step of a message's, a
// handle's and a file's way, and the other side is told.
func TestPipeKilledAtNamedPoints(t *testing.T) {
	if !assert.Enabled {
		t.Skip("the points are there with -tags futures_assert only, which CI has in a step of its own")
	}
	for _, point := range []struct {
		name string
		run  func(t *testing.T, p *procpool.Pool)
	}{
		{"locked", pipeSenderDies},
		{"piece put, not counted", pipeSenderDies},
		{"piece counted, nobody woken", pipeSenderDies},
		{"message begun", pipeSenderDies},
		{"unlocked, nobody woken", pipeSenderDies},
		{"arrived, ticket not cleared", pipeSenderDies},
		{"handle closed, end held", pipeSenderDies},
		{"handle closed, end held", pipeLastSenderDies},
		{"end gone, not closed", pipeLastSenderDies},
		{"end closed, rings not", pipeLastSenderDies},
		{"message read, not taken", pipeReceiverDies},
		{"piece read, not taken", pipeReceiverDies},
		{"piece taken, nobody woken", pipeReceiverDies},
		{"end closed, rings not", pipeReceiverDies},
		{"token read, file not handed over", pipeFileServerDies},
	} {
		t.Run(point.name, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			if err := os.WriteFile(once, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := procpool.New(procpool.Options{
				Workers: 1, Stderr: discard, Logger: quiet,
				Env: []string{"FUTURES_DIE_AT=" + point.name, "FUTURES_DIE_ONCE=" + once},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			point.run(t, p)
			if _, err := os.Stat(once); err == nil {
				t.Error("nobody has come to the point")
			}
		})
	}
}

// pipeSenderDies: it may die before the handle arrives.
func pipeSenderDies(t *testing.T, p *procpool.Pool) {
	pipeSends(t, p, func(f *futures.Future[int], b *ipc.PipeEnd[[]byte]) {
		f.OnDone(func(*futures.Future[int]) { b.CloseAll() })
	})
}

// pipeLastSenderDies: it is the only one to have the end.
func pipeLastSenderDies(t *testing.T, p *procpool.Pool) {
	pipeSends(t, p, func(_ *futures.Future[int], b *ipc.PipeEnd[[]byte]) { b.Close() })
}

func pipeSends(t *testing.T, p *procpool.Pool, submitted func(*futures.Future[int], *ipc.PipeEnd[[]byte])) {
	a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: 1})
	f := pipeChaosSend.Submit(t.Context(), p, pipeLife{End: b, Ready: pipeAnyone(t), Life: 1, N: 20})
	submitted(f, b)
	for n := 0; ; n++ {
		message, err := a.Recv(t.Context())
		if err == io.EOF {
			break
		}
		if _, got, torn := readChaosMessage(message); err != nil || torn != nil || got != n {
			t.Fatalf("message %d instead of %d: %v, %v", got, n, err, torn)
		}
	}
	f.Result(t.Context())
}

func pipeReceiverDies(t *testing.T, p *procpool.Pool) {
	a, b := pipeOf[[]byte](t, ipc.PipeOptions{Bytes: 1})
	f := pipeChaosReceive.Submit(t.Context(), p, pipeLife{End: a, Ready: pipeAnyone(t), Life: 1, N: 20})
	a.Close()
	for n := range 20 {
		if err := b.Send(t.Context(), chaosMessage(1, n)); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
	}
	b.Close()
	f.Result(t.Context())
}

// pipeAnyone returns an end that nobody listens to.
func pipeAnyone(t *testing.T) *ipc.PipeEnd[int] {
	ready, there := pipeOf[int](t, ipc.PipeOptions{})
	_ = ready
	return there
}

func pipeFileServerDies(t *testing.T, p *procpool.Pool) {
	a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
	f := pipeSendFile.Submit(t.Context(), p, pipeText{b, os.DevNull})
	b.Close()
	if _, err := a.RecvFile(t.Context()); !errors.Is(err, ipc.ErrGone) {
		t.Errorf("a file whose sender died: %v", err)
	}
	wantEOF(t, a)
	f.Result(t.Context())
}

// TestPipeTickets: PI4: what a dead process had sent is given up after a while, and a table
// of handles on their way that is full says so.
func TestPipeTickets(t *testing.T) {
	ipc.SetOrphanGrace(t, time.Millisecond)
	p := open(t, 1)
	a, b := pipeOf[[]byte](t, ipc.PipeOptions{})
	f := pipeEncode.Submit(t.Context(), p, b)
	b.Close()
	pid := outcomeOf(t, f)
	if ready, err := a.Poll(ended()); ready || err != nil {
		t.Errorf("%v, %v", ready, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantEOF(t, a)
	c, d := pipeOf[int](t, ipc.PipeOptions{})
	n := 0
	for ; n < 10000; n++ {
		if _, err := d.MarshalCBOR(); err != nil {
			break
		}
	}
	if n != 4096 {
		t.Errorf("%s handles on their way", strconv.Itoa(n))
	}
	d.CloseAll()
	wantEOF(t, c)
}

// pipeEncode encodes an end and tells nobody.
var pipeEncode = futures.Define("pipe.encode", func(ctx context.Context, e *ipc.PipeEnd[[]byte]) (int, error) {
	defer e.Close()
	_, err := e.MarshalCBOR()
	return os.Getpid(), err
})
