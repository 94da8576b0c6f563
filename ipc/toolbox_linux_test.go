package ipc_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// open returns a pool whose workers are quiet when they are killed.
func open(t testing.TB, workers int) *procpool.Pool {
	t.Helper()
	p, err := procpool.New(procpool.Options{Workers: workers, Stderr: discard, Logger: quiet, KillGrace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func newQueue[T any](tb testing.TB, opts ipc.QueueOptions) *ipc.Queue[T] {
	tb.Helper()
	q, err := ipc.NewQueue[T](opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = q.Discard() })
	return q
}

// made returns what a constructor made, which is closed after the test.
func made[T interface{ Close() error }](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = v.Close() })
		return v
	}
}

// outcomeOf fails a test or benchmark whose task failed.
func outcomeOf[T any](tb testing.TB, f *futures.Future[T]) T {
	tb.Helper()
	v, err := f.Result(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func mustDo(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ok(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func second[T any](_ T, err error) error { return err }

func isCrash(err error) bool {
	_, ok := errors.AsType[*futures.CrashError](err)
	return ok
}

// until waits for a condition.
func until(t testing.TB, ok func() bool) {
	t.Helper()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never happened")
		case <-time.After(50 * time.Microsecond):
		}
	}
}

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		if t.Context().Err() != nil {
			t.Fatal("never: " + what)
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func kill(pid int) error {
	process, err := os.FindProcess(pid)
	if err == nil {
		err = process.Kill()
	}
	return err
}

// descriptors counts this process's, without those by which it watches others live.
func descriptors(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if what, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.Contains(what, "pidfd") {
			n++
		}
	}
	return n
}
