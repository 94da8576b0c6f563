package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// deed is what a process is asked to do with the objects of a test.
type deed struct {
	Do      string
	N       int           // meaning as Do has it
	Patient time.Duration // how long it waits; 0 is until the test ends

	Mutex     *ipc.Mutex
	Recursive *ipc.RecursiveMutex
	Semaphore *ipc.Semaphore
	Other     *ipc.Semaphore // where a deed needs two
	Event     *ipc.Event
	Cond      *ipc.Cond
	Barrier   *ipc.Barrier
}

// me is the owner that a process uses in these tests.
var me = ipc.NewOwner()

// doing is filled by the files of the objects.
var doing = map[string]func(ctx context.Context, in deed) (int, error){
	"pid": func(context.Context, deed) (int, error) { return os.Getpid(), nil },
}

var do = futures.Define("test.do", func(ctx context.Context, in deed) (int, error) {
	if in.Patient > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, in.Patient)
		defer cancel()
	}
	fn := doing[in.Do]
	if fn == nil {
		return 0, fmt.Errorf("nobody knows how to %q", in.Do)
	}
	return fn(ctx, in)
})

// peer is another process.
type peer struct {
	t    testing.TB
	pool *procpool.Pool
}

func newPeer(t testing.TB) *peer {
	t.Helper()
	pool, err := procpool.New(procpool.Options{Workers: 1, Stderr: discard, Logger: quiet, Name: "peer"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	return &peer{t, pool}
}

// begin lets the process do something, one thing at a time.
func (p *peer) begin(in deed) *futures.Future[int] { return do.Submit(p.t.Context(), p.pool, in) }

// do lets it do something, and waits until it is done.
func (p *peer) do(in deed) (int, error) { return p.begin(in).Result(p.t.Context()) }

// must is do that must succeed.
func (p *peer) must(in deed) int {
	p.t.Helper()
	n, err := p.do(in)
	if err != nil {
		p.t.Fatalf("%s: %v", in.Do, err)
	}
	return n
}

// kill kills the process, and does not wait for anything. Another one takes its place.
func (p *peer) kill() {
	p.t.Helper()
	for _, w := range p.pool.Inspect().Workers {
		if w.PID > 0 {
			if err := syscall.Kill(w.PID, syscall.SIGKILL); err != nil {
				p.t.Error(err)
			}
			return
		}
	}
	p.t.Error("nobody to kill")
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
