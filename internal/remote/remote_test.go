package remote

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/internal/codec"
)

var first = futures.Define("remote.first", func(context.Context, int) (int, error) { return 0, nil })
var second = futures.Define("remote.second", func(context.Context, int) (int, error) { return 0, nil })

// holder is an executor that keeps what it is given.
type holder struct{ tasks []*futures.Task }

func (h *holder) Execute(_ context.Context, t *futures.Task) error {
	h.tasks = append(h.tasks, t)
	return nil
}
func (*holder) Close() error                   { return nil }
func (*holder) Shutdown(context.Context) error { return nil }

// TestContexts: RE1, for tasks that are left when their context ends.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h holder
		var calls [][]*futures.Task
		c := Contexts{Ended: func(tasks []*futures.Task) { calls = append(calls, tasks) }}
		one, endOne := context.WithCancel(t.Context())
		two, endTwo := context.WithCancel(t.Context())
		watched := make([]Watched, 6)
		for i := range watched {
			ctx := one
			if i >= 4 {
				ctx = two
			}
			first.Submit(ctx, &h, i)
			if i == 2 {
				c.Remove(&watched[i]) // resolved before it is watched
			}
			c.Add(ctx, h.tasks[i], &watched[i])
		}
		c.Add(context.Background(), h.tasks[0], new(Watched)) // never ends
		c.Remove(&watched[0])
		c.Remove(&watched[4])
		c.Remove(&watched[5])
		if len(c.watches) != 1 {
			t.Errorf("%d watches for tasks of one context", len(c.watches))
		}
		endTwo()
		endOne()
		synctest.Wait()
		if len(calls) != 1 || !slices.Equal(calls[0], []*futures.Task{h.tasks[3], h.tasks[1]}) {
			t.Errorf("told of %v, want one call with tasks 3 and 1 of %v", calls, h.tasks)
		}
		c.Remove(&watched[1])
		c.Remove(&watched[3])
	})
}

func TestFunctions(t *testing.T) {
	type record struct {
		name   string
		number int
	}
	var added []*record
	fs := Functions[record]{
		Make:  func(d *futures.Definition, number int) *record { return &record{d.Name(), number} },
		Added: func(r *record) { added = append(added, r) },
	}
	definition := func(name string) *futures.Definition {
		d, err := futures.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	b := fs.Of(definition(second.Name()))
	a := fs.Of(definition(first.Name()))
	if *b != (record{"remote.second", 0}) || *a != (record{"remote.first", 1}) || fs.Of(definition(second.Name())) != b {
		t.Errorf("got %v, %v", b, a)
	}
	fs.Lock()
	defer fs.Unlock()
	if want := []*record{b, a}; !slices.Equal(fs.All(), want) || !slices.Equal(added, want) {
		t.Errorf("all %v, added %v", fs.All(), added)
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	for _, s := range []futures.State{futures.Succeeded, futures.Succeeded, futures.Failed, futures.Cancelled} {
		c.Done(s)
	}
	c.Retried(3)
	c.Took(time.Millisecond)
	got := c.Snapshot()
	if got.Succeeded != 2 || got.Failed != 1 || got.Cancelled != 1 || got.Retried != 3 || got.Latency.Samples() != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestError(t *testing.T) {
	var h holder
	first.Submit(t.Context(), &h, 1, futures.Timeout(time.Second))
	task := h.tasks[0]
	record := codec.AppendError(nil, fs.ErrExist, "stack")
	for kind := range Refused + 1 {
		err := Error(kind, record, task, "procpool")
		p, panicked := errors.AsType[*futures.PanicError](err)
		if want := kind == Panic || kind == PanicError || kind == Goexit; panicked != want || panicked && string(p.Stack) != "stack" {
			t.Errorf("kind %d: %#v", kind, err)
		}
		if want := kind != Panic && kind != Goexit; errors.Is(err, fs.ErrExist) != want {
			t.Errorf("kind %d: %v", kind, err)
		}
		if errors.Is(err, futures.ErrTimeout) != (kind == Timeout) {
			t.Errorf("kind %d: %v", kind, err)
		}
	}
}
