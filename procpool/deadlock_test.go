package procpool_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// strange is a function whose argument, value or error misbehaves when it travels.
var strange = futures.Define("test.strange", func(_ context.Context, how string) (odd2, error) {
	if how == "error" {
		return odd2{}, worse{}
	}
	return odd2{how}, nil
})

type worse struct{}

func (worse) Error() string { panic("no words") }

// odd2 does what its text says when it is encoded or decoded.
type odd2 struct{ how string }

func (o odd2) MarshalText() ([]byte, error) {
	switch o.how {
	case "error while encoding":
		return nil, errors.New("cannot be encoded")
	case "exit while encoding":
		os.Exit(8)
	}
	return []byte(o.how), nil
}

func (o *odd2) UnmarshalText(b []byte) error {
	switch o.how = string(b); {
	case o.how == "error while decoding":
		return errors.New("cannot be decoded")
	case o.how == "exit while decoding":
		os.Exit(9)
	case o.how == "panic while decoding":
		panic("cannot be decoded")
	case o.how == "goexit while decoding":
		runtime.Goexit()
	}
	return nil
}

// swallow takes a strange argument.
var swallow = futures.Define("test.swallow", func(_ context.Context, o odd2) (string, error) { return o.how, nil })

// TestDeadlocks holds the rows of the group DL: nothing hangs, and nothing else fails.
func TestDeadlocks(t *testing.T) {
	each := func(name string, test func(t *testing.T, ctx context.Context, p *procpool.Pool)) {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, o procpool.Options) {
				o.Logger, o.Workers = quiet, 2
				p := open(t, o)
				test(t, t.Context(), p)
				if v, err := double.Submit(t.Context(), p, 4).Result(t.Context()); (v != 8 || err != nil) && !errors.Is(err, futures.ErrClosed) {
					t.Errorf("afterwards: %d, %v", v, err)
				}
			})
		})
	}
	fails := func(t *testing.T, err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	crashes := func(t *testing.T, err error, code int) {
		t.Helper()
		if e, ok := errors.AsType[*futures.CrashError](err); !ok || code != 0 && e.ExitCode != code {
			t.Errorf("got %v, want a crash with exit code %d", err, code)
		}
	}
	each("DL-01 an argument that cannot be encoded", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		f := swallow.Submit(ctx, p, odd2{"error while encoding"})
		if !f.State().Done() {
			t.Error("it is not told at once")
		}
		fails(t, f.Err(), "cannot be encoded")
	})
	each("DL-02 DL-04 a worker that ends while it decodes a task", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		_, err := swallow.Submit(ctx, p, odd2{"exit while decoding"}).Result(ctx)
		crashes(t, err, 9)
	})
	each("DL-03 a worker that fails to decode a task", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		for how, text := range map[string]string{"error while decoding": "cannot be decoded", "panic while decoding": "cannot be decoded", "goexit while decoding": "Goexit"} {
			_, err := swallow.Submit(ctx, p, odd2{how}).Result(ctx)
			fails(t, err, text)
		}
	})
	each("DL-05 DL-06 a worker that crashes or exits in the task", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		for how, code := range map[string]int{"SIGSEGV": 0, "SIGKILL": -1, "os.Exit": 7, "map race": 2} {
			_, err := ruin.Submit(ctx, p, how).Result(ctx)
			crashes(t, err, code)
		}
		_, err := ruin.Submit(ctx, p, "goexit").Result(ctx)
		fails(t, err, "Goexit")
	})
	each("DL-07 an error or a panic is delivered", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		_, err := ruin.Submit(ctx, p, "error").Result(ctx)
		fails(t, err, "file does not exist")
		_, err = ruin.Submit(ctx, p, "panic").Result(ctx)
		fails(t, err, "at the disco")
	})
	each("DL-09 DL-10 a value that cannot be encoded", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		_, err := strange.Submit(ctx, p, "error while encoding").Result(ctx)
		fails(t, err, "cannot be encoded")
		_, err = strange.Submit(ctx, p, "exit while encoding").Result(ctx)
		crashes(t, err, 8)
	})
	each("DL-11 DL-12 a value that cannot be decoded here", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		for how, text := range map[string]string{"error while decoding": "cannot be decoded", "panic while decoding": "cannot be decoded", "goexit while decoding": "ended the goroutine"} {
			_, err := strange.Submit(ctx, p, how).Result(ctx)
			fails(t, err, text)
		}
	})
	each("DL-13 SD-14 a crash while the pool closes", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		f := ruin.Submit(ctx, p, "SIGKILL")
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		crashes(t, f.Err(), -1)
	})
	each("DL-14 SD-16 an encoding error while the pool closes", func(t *testing.T, ctx context.Context, p *procpool.Pool) {
		f := strange.Submit(ctx, p, "error while encoding")
		closed := make(chan error)
		go func() { closed <- p.Close() }()
		_, err := f.Result(ctx)
		fails(t, err, "cannot be encoded")
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	t.Run("DL-16 Submit never blocks on what is inside", func(t *testing.T) {
		both(t, func(t *testing.T, o procpool.Options) {
			o.Workers, o.Queue, o.Logger = 1, 200_000, quiet
			p := open(t, o)
			hold := ruin.Submit(t.Context(), p, "busy loop")
			fs := make([]*futures.Future[int], 100_000)
			for n := range fs {
				fs[n] = double.Submit(t.Context(), p, n)
			}
			hold.Cancel()
			for n, f := range fs {
				if v, err := f.Result(t.Context()); v != 2*n || err != nil {
					t.Fatalf("task %d: %d, %v", n, v, err)
				}
			}
		})
	})
}
