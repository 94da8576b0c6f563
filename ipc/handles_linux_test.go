package ipc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// bag has handles wherever a struct can have them.
type bag struct {
	Value  *ipc.Value[int64]
	Arrays []*ipc.Array[int32]
	Bytes  map[string]*ipc.Bytes
	In     struct {
		Mutex *ipc.Mutex
		Locks [2]*ipc.Mutex
	}
	Queue *ipc.Queue[int]
	None  *ipc.Value[bool]
	Depth int // how many processes it is to be handed on through
	Bags  *ipc.Queue[bag]
}

func newBag(t *testing.T) bag {
	t.Helper()
	value, err := ipc.NewValue[int64](0)
	if errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "linux" {
		t.Skip(err)
	}
	mustDo(t, err)
	b := bag{Value: value, Bytes: make(map[string]*ipc.Bytes)}
	for n := range 3 {
		a, err := ipc.NewArray[int32](n + 1)
		mustDo(t, err)
		b.Arrays = append(b.Arrays, a)
	}
	for _, text := range []string{"", "one", "two"} {
		b.Bytes[text], err = ipc.NewBytes([]byte(text))
		mustDo(t, err)
	}
	b.In.Mutex, err = ipc.NewMutex()
	mustDo(t, err)
	b.In.Locks = [2]*ipc.Mutex{b.Value.Mutex(), b.Arrays[0].Mutex()}
	b.Queue, err = ipc.NewQueue[int](ipc.QueueOptions{})
	mustDo(t, err)
	b.Bags, err = ipc.NewQueue[bag](ipc.QueueOptions{})
	mustDo(t, err)
	t.Cleanup(b.close)
	return b
}

func (b *bag) close() {
	_ = b.Value.Close()
	for _, a := range b.Arrays {
		_ = a.Close()
	}
	for _, x := range b.Bytes {
		_ = x.Close()
	}
	_ = b.In.Mutex.Close()
	_ = b.Queue.Discard()
	_ = b.Bags.Discard()
}

// use does something with each handle that the others see.
func (b *bag) use(ctx context.Context) error {
	b.Value.Add(1)
	for _, a := range b.Arrays {
		a.Set(a.Len()-1, a.At(a.Len()-1)+1)
	}
	for text, x := range b.Bytes {
		if string(x.Slice()) != text {
			return fmt.Errorf("%q is %q", text, x.Slice())
		}
	}
	for _, m := range []*ipc.Mutex{b.In.Mutex, b.In.Locks[0], b.In.Locks[1]} {
		if err := m.LockContext(ctx); err != nil {
			return err
		}
		if m.Owner() != os.Getpid() {
			return fmt.Errorf("the owner is %d", m.Owner())
		}
		m.Unlock()
	}
	if b.None != nil {
		return errors.New("something came of nothing")
	}
	return b.Queue.Put(ctx, os.Getpid())
}

// check looks at what n uses have done.
func (b *bag) check(t *testing.T, n int) {
	t.Helper()
	if got := b.Value.Load(); got != int64(n) {
		t.Errorf("the value is %d, want %d", got, n)
	}
	for i, a := range b.Arrays {
		if got := a.At(i); got != int32(n) {
			t.Errorf("array %d has %d, want %d", i, got, n)
		}
	}
	if got := b.Queue.Len(); got != n {
		t.Errorf("%d in the queue, want %d", got, n)
	}
}

// submitBag is useBag.Submit, which useBag cannot name itself.
var submitBag func(ctx context.Context, p *procpool.Pool, b bag) (bag, error)

func init() {
	submitBag = func(ctx context.Context, p *procpool.Pool, b bag) (bag, error) {
		return useBag.Submit(ctx, p, b).Result(ctx)
	}
}

var (
	// useBag uses it, hands it on if it is to, and returns it.
	useBag = futures.Define("test.useBag", func(ctx context.Context, b bag) (bag, error) {
		if err := b.use(ctx); err != nil || b.Depth == 0 {
			return b, err
		}
		p, err := procpool.New(procpool.Options{Workers: 1})
		if err != nil {
			return b, err
		}
		defer func() { _ = p.Close() }()
		b.Depth--
		return submitBag(ctx, p, b)
	})
	// passBags takes bags out of a queue, uses them, and puts them back.
	passBags = futures.Define("test.passBags", func(ctx context.Context, bags *ipc.Queue[bag]) (int, error) {
		for range 3 {
			b, err := bags.Get(ctx)
			if err == nil {
				err = b.use(ctx)
			}
			if err == nil {
				err = bags.Put(ctx, b)
			}
			if err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	// makeBag makes handles in a worker.
	makeHandles = futures.Define("test.makeHandles", func(context.Context, int) (b bag, err error) {
		if b.Value, err = ipc.NewValue[int64](41); err != nil {
			return b, err
		}
		b.In.Locks[0] = b.Value.Mutex()
		a, err := ipc.NewArrayFrom([]int32{1, 2, 3})
		b.Arrays = append(b.Arrays, a)
		return b, err
	})
	getBag = futures.Define("test.getBag", func(_ context.Context, b *bag) (int, error) { return 0, nil })
)

// TestHandlesTravel: handles work as arguments and results, inside structs, slices, arrays and
// maps, as values of queues, and in workers of workers.
func TestHandlesTravel(t *testing.T) {
	t.Run("arguments and results", func(t *testing.T) {
		b := newBag(t)
		back, err := submitBag(t.Context(), open(t, 1), b)
		mustDo(t, err)
		b.check(t, 1)
		mustDo(t, back.use(t.Context()))
		b.check(t, 2)
	})
	t.Run("grandchildren", func(t *testing.T) {
		b := newBag(t)
		b.Depth = 2
		back, err := submitBag(t.Context(), open(t, 1), b)
		mustDo(t, err)
		back.check(t, 3)
	})
	t.Run("values of queues", func(t *testing.T) {
		b := newBag(t)
		mustDo(t, b.Bags.Put(t.Context(), b))
		p := open(t, 2)
		fs := []*futures.Future[int]{passBags.Submit(t.Context(), p, b.Bags), passBags.Submit(t.Context(), p, b.Bags)}
		for _, f := range fs {
			if _, err := f.Result(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		back, err := b.Bags.Get(t.Context())
		mustDo(t, err)
		back.check(t, 6)
	})
	t.Run("made by a worker that has ended", func(t *testing.T) {
		newBag(t) // where there is no shared memory
		p := open(t, 1)
		b, err := makeHandles.Submit(t.Context(), p, 0).Result(t.Context())
		mustDo(t, err)
		mustDo(t, p.Close())
		b.In.Locks[0].Lock()
		if v := b.Value.Add(1); v != 42 || b.Arrays[0].At(2) != 3 {
			t.Errorf("%d, %v", v, b.Arrays[0].Slice())
		}
		b.In.Locks[0].Unlock()
		_ = b.Value.Close()
		_ = b.Arrays[0].Close()
	})
}

// anyHandle is a handle of any type.
type anyHandle interface {
	MarshalCBOR() ([]byte, error)
	UnmarshalCBOR([]byte) error
	Close() error
}

// handlesOf returns one of each, with an empty one for it to be decoded into.
func handlesOf(t *testing.T) map[string][2]anyHandle {
	b := newBag(t)
	return map[string][2]anyHandle{
		"Value":         {b.Value, new(ipc.Value[int64])},
		"Array":         {b.Arrays[1], new(ipc.Array[int32])},
		"Bytes":         {b.Bytes["one"], new(ipc.Bytes)},
		"Mutex":         {b.In.Mutex, new(ipc.Mutex)},
		"Queue":         {b.Queue, new(ipc.Queue[int])},
		"Queue of bags": {b.Bags, new(ipc.Queue[bag])},
	}
}

// TestHandlesGone: a handle on its way to an object that is closed meanwhile decodes to
// ErrGone, here and in another process, or where somebody still uses a lock or a queue to one
// that says ErrClosed; a handle that is closed does not travel.
func TestHandlesGone(t *testing.T) {
	for name, h := range handlesOf(t) {
		t.Run(name, func(t *testing.T) {
			data, err := h[0].MarshalCBOR()
			mustDo(t, err)
			mustDo(t, h[1].UnmarshalCBOR(data))
			mustDo(t, h[0].Close())
			if err := (travelled{name, data}).use(); !errors.Is(err, ipc.ErrGone) && !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("here: %v", err)
			}
			// Nor does it in a process that never had it.
			_, err = useElsewhere.Submit(t.Context(), open(t, 1), travelled{name, data}).Result(t.Context())
			if !errors.Is(err, ipc.ErrGone) && !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("elsewhere: %v", err)
			}
			mustDo(t, h[0].Close())
			if name == "Queue" || name == "Queue of bags" {
				return // is used after Close
			}
			if _, err := h[0].MarshalCBOR(); err == nil || !strings.Contains(err.Error(), "was closed") {
				t.Errorf("encoding: %v", err)
			}
		})
	}
	t.Run("as an argument", func(t *testing.T) {
		b := newBag(t)
		p := open(t, 1)
		// The only worker is busy until the value is closed.
		busy := getMany.Submit(t.Context(), p, queueTask{Queue: b.Queue, N: 1})
		waiting := getBag.Submit(t.Context(), p, &bag{Value: b.Value})
		_ = b.Value.Close()
		mustDo(t, b.Queue.Put(t.Context(), 1))
		if _, err := busy.Result(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := waiting.Result(t.Context()); !errors.Is(err, ipc.ErrGone) || !strings.Contains(err.Error(), "Value") {
			t.Errorf("got %v", err)
		}
	})
}

type travelled struct {
	Type string
	Data []byte
}

func (in travelled) use() error {
	switch in.Type {
	case "Value":
		return new(ipc.Value[int64]).UnmarshalCBOR(in.Data)
	case "Array":
		return new(ipc.Array[int32]).UnmarshalCBOR(in.Data)
	case "Bytes":
		return new(ipc.Bytes).UnmarshalCBOR(in.Data)
	case "wide":
		return new(ipc.Value[[21]uint64]).UnmarshalCBOR(in.Data)
	case "Mutex":
		m := new(ipc.Mutex)
		if err := m.UnmarshalCBOR(in.Data); err != nil {
			return err
		}
		return m.LockContext(context.Background())
	case "Queue":
		q := new(ipc.Queue[int])
		if err := q.UnmarshalCBOR(in.Data); err != nil {
			return err
		}
		return q.TryPut(1)
	default:
		q := new(ipc.Queue[bag])
		if err := q.UnmarshalCBOR(in.Data); err != nil {
			return err
		}
		return q.TryPut(bag{})
	}
}

var useElsewhere = futures.Define("test.useElsewhere", func(_ context.Context, in travelled) (int, error) { return 0, in.use() })

// TestHandlesMismatch: a handle of something else is refused, and nothing is changed.
func TestHandlesMismatch(t *testing.T) {
	all := handlesOf(t)
	for from, h := range all {
		data, err := h[0].MarshalCBOR()
		mustDo(t, err)
		for to, other := range all {
			if from == to || from+to == "QueueQueue of bags" || from+to == "Queue of bagsQueue" {
				continue // queues of values that are encoded are known to differ when one is decoded
			}
			if err := other[1].UnmarshalCBOR(data); !errors.Is(err, ipc.ErrMismatch) {
				t.Errorf("a %s from a %s: %v", to, from, err)
			}
		}
		for i := range data {
			if err := h[1].UnmarshalCBOR(data[:i]); !errors.Is(err, ipc.ErrCorrupt) {
				t.Errorf("%s, %d bytes: %v", from, i, err)
			}
		}
	}
	type named struct{ A, B int32 }
	type renamed struct{ A, C int32 }
	type retyped struct{ A, B uint32 }
	type same struct{ A, B int32 }
	v, err := ipc.NewValue(named{1, 2})
	mustDo(t, err)
	defer v.Close()
	data, err := v.MarshalCBOR()
	mustDo(t, err)
	for _, h := range []anyHandle{new(ipc.Value[renamed]), new(ipc.Value[retyped]), new(ipc.Value[int64]), new(ipc.Value[[2]int32]), new(ipc.Array[named])} {
		if err := h.UnmarshalCBOR(data); !errors.Is(err, ipc.ErrMismatch) {
			t.Errorf("%T: %v", h, err)
		}
	}
	equal := new(ipc.Value[same])
	if err := equal.UnmarshalCBOR(data); err != nil || equal.Load() != (same{1, 2}) {
		t.Errorf("a type of the same shape: %v", err)
	}
	lock, err := v.Mutex().MarshalCBOR()
	mustDo(t, err)
	for _, h := range []anyHandle{new(ipc.Value[named]), new(ipc.Array[int32]), new(ipc.Queue[int])} {
		if err := h.UnmarshalCBOR(lock); err == nil {
			t.Errorf("the lock in a Value is a %T", h)
		}
	}
}

// TestHandlesUnset: handles that nobody made.
func TestHandlesUnset(t *testing.T) {
	for _, h := range []anyHandle{new(ipc.Value[int64]), new(ipc.Array[int32]), new(ipc.Bytes), new(ipc.Mutex), new(ipc.Queue[int])} {
		if _, err := h.MarshalCBOR(); err == nil || !strings.Contains(err.Error(), "not made by its New function") {
			t.Errorf("%T: %v", h, err)
		}
		if err := h.Close(); err != nil {
			t.Errorf("%T: %v", h, err)
		}
	}
	_, err := getBag.Submit(t.Context(), open(t, 1), &bag{Value: new(ipc.Value[int64])}).Result(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not made by its New function") {
		t.Errorf("as an argument: %v", err)
	}
}

// TestHandlesIsolated: a worker that shares no memory is told so.
func TestHandlesIsolated(t *testing.T) {
	b := newBag(t)
	p, err := procpool.New(procpool.Options{Workers: 1, Isolated: true})
	mustDo(t, err)
	defer p.Close()
	_, err = getBag.Submit(t.Context(), p, &bag{Value: b.Value}).Result(t.Context())
	if !errors.Is(err, ipc.ErrForeign) {
		t.Errorf("got %v", err)
	}
}
