package procpool_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/assert"
	"github.com/futures-go/futures/procpool"
)

var double = futures.Define("test.double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })

// TestKilledAtNamedPoints: PP1, PP2: a worker dies at each step of a task's way. Before user
// code runs nothing is lost, and after its result is written nothing either; in between,
// that task and no other is.
func TestKilledAtNamedPoints(t *testing.T) {
	if !assert.Enabled {
		t.Skip("the points are there with -tags futures_assert only, which CI has in a step of its own")
	}
	for _, point := range []struct {
		name     string
		isolated bool
		lost     int
	}{
		{"before HELLO", false, 0},
		{"claimed, head not advanced", false, 0},
		{"claimed", false, 0},
		{"begun", false, 1},
		{"result written, not done", false, 1},
		{"done, not published", false, 0},
		{"published, bell not rung", false, 0},
		{"before HELLO", true, 0},
		{"TASK read, STARTED not sent", true, 0},
		{"STARTED sent", true, 1},
		{"RESULT not sent", true, 1},
		{"RESULT sent", true, 0},
	} {
		t.Run(point.name, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			if err := os.WriteFile(once, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p := open(t, procpool.Options{
				Workers: 2, Isolated: point.isolated, Stderr: discard, Logger: quiet,
				Env: []string{"FUTURES_DIE_AT=" + point.name, "FUTURES_DIE_ONCE=" + once},
			})
			var fs []*futures.Future[int]
			for n := range 20 {
				fs = append(fs, double.Submit(t.Context(), p, n))
			}
			lost := 0
			for n, f := range fs {
				v, err := f.Result(t.Context())
				if _, crash := errors.AsType[*futures.CrashError](err); crash {
					lost++
				} else if v != 2*n || err != nil {
					t.Errorf("task %d: %d, %v", n, v, err)
				}
			}
			if lost != point.lost {
				t.Errorf("%d tasks lost, want %d", lost, point.lost)
			}
			if _, err := os.Stat(once); err == nil {
				t.Error("nobody has come to the point")
			}
		})
	}
}

// many returns so many bytes.
var many = futures.Define("test.many", func(_ context.Context, n int) ([]byte, error) {
	return bytes.Repeat([]byte("0123456789abcdef"), n/16), nil
})

// TestKilledInAFrame: a worker dies in the middle of a frame of 64 MiB. If it was reading its
// task it had not begun, so the task runs elsewhere; if it was writing the value, the task is
// lost. So it is if it was about to get memory for the value.
func TestKilledInAFrame(t *testing.T) {
	if !assert.Enabled {
		t.Skip("as above")
	}
	const size = 64 << 20
	big := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	for _, c := range []struct {
		point          string
		isolated, lost bool
	}{
		{"in the middle of a frame", true, false},
		{"half of a frame written", true, true},
		{"NEED sent", false, true},
	} {
		t.Run(c.point, func(t *testing.T) {
			once := filepath.Join(t.TempDir(), "once")
			if err := os.WriteFile(once, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			p := open(t, procpool.Options{
				Workers: 1, Isolated: c.isolated, Stderr: discard, Logger: quiet,
				Env: []string{"FUTURES_DIE_AT=" + c.point, "FUTURES_DIE_ONCE=" + once},
			})
			f := many.Submit(t.Context(), p, size)
			if !c.lost {
				f = echo.Submit(t.Context(), p, big)
			}
			v, err := f.Result(t.Context())
			if _, crash := errors.AsType[*futures.CrashError](err); crash != c.lost || !c.lost && !bytes.Equal(v, big) {
				t.Errorf("%d bytes, %v", len(v), err)
			}
			if _, err := os.Stat(once); err == nil {
				t.Error("nobody has died")
			}
			if v, err := many.Submit(t.Context(), p, size).Result(t.Context()); !bytes.Equal(v, big) {
				t.Errorf("afterwards: %d bytes, %v", len(v), err)
			}
		})
	}
}

// TestKilledWithLargeValues: workers die at any moment while values of 64 MiB travel.
func TestKilledWithLargeValues(t *testing.T) {
	both(t, func(t *testing.T, o procpool.Options) {
		o.Workers, o.Logger = 2, quiet
		p := open(t, o)
		big := bytes.Repeat([]byte("0123456789abcdef"), 64<<20/16)
		for i := range 6 {
			f := echo.Submit(t.Context(), p, big)
			for _, w := range p.Inspect().Workers {
				if i%2 == 1 && w.PID > 0 {
					if proc, err := os.FindProcess(w.PID); err == nil {
						_ = proc.Kill()
					}
				}
			}
			v, err := f.Result(t.Context())
			if _, crash := errors.AsType[*futures.CrashError](err); !crash && (err != nil || !bytes.Equal(v, big)) {
				t.Errorf("%d bytes, %v", len(v), err)
			}
		}
	})
}
