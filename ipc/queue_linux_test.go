package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

type queueTask struct {
	Queue *ipc.Queue[int]
	From  int
	N     int
	Fail  bool // die after the last
}

var (
	putMany = futures.Define("test.putMany", func(ctx context.Context, in queueTask) (int, error) {
		for i := range in.N {
			if err := in.Queue.Put(ctx, in.From+i); err != nil {
				return i, err
			}
		}
		if in.Fail {
			os.Exit(3)
		}
		return os.Getpid(), nil
	})
	getMany = futures.Define("test.getMany", func(ctx context.Context, in queueTask) (got []int, err error) {
		for range in.N {
			v, err := in.Queue.Get(ctx)
			if err != nil {
				return got, err
			}
			got = append(got, v)
		}
		return got, nil
	})
	getAndFinish = futures.Define("test.getAndFinish", func(ctx context.Context, in queueTask) (n int, err error) {
		for _, err := range in.Queue.All(ctx) {
			if err == nil {
				n++
				err = in.Queue.TaskDone()
			}
			if err != nil {
				return n, err
			}
			if in.Fail && n == in.N {
				break
			}
		}
		if in.Fail {
			_, _ = in.Queue.Get(ctx) // and not done
			os.Exit(3)
		}
		return n, nil
	})
	// tellAndGet says who it is and waits for a value.
	tellAndGet = futures.Define("test.tellAndGet", func(ctx context.Context, in pingPong) (int, error) {
		if err := in.Out.Put(ctx, os.Getpid()); err != nil {
			return 0, err
		}
		return in.In.Get(ctx)
	})
	queueLen = futures.Define("test.queueLen", func(_ context.Context, q *ipc.Queue[int]) ([]int, error) {
		return []int{q.Len(), q.Cap()}, nil
	})
	closeQueue = futures.Define("test.closeQueue", func(_ context.Context, q *ipc.Queue[int]) (int, error) {
		return 0, q.Close()
	})
)

func upTo(n int) (s []int) {
	for i := range n {
		s = append(s, i)
	}
	return s
}

func TestQueueRows(t *testing.T) {
	p := open(t, 4)
	ctx := t.Context()
	expired, cancel := context.WithCancelCause(ctx)
	errExpired := errors.New("expired")
	cancel(errExpired)

	t.Run("Q-01 Q-02 Q-03 a bounded queue takes exactly so many", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{Capacity: 6})
		for i := range 6 {
			if i%2 == 0 {
				mustDo(t, q.Put(ctx, i))
			} else {
				mustDo(t, q.TryPut(i))
			}
		}
		if err := q.TryPut(6); !errors.Is(err, ipc.ErrFull) {
			t.Errorf("TryPut: %v", err)
		}
		if err := q.Put(expired, 6); !errors.Is(err, errExpired) {
			t.Errorf("Put: %v", err)
		}
		soon, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := q.Put(soon, 6); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put: %v", err)
		}
		if n := q.Len(); n != 6 || q.Cap() != 6 {
			t.Errorf("%d of %d", n, q.Cap())
		}
		if got := outcomeOf(t, getMany.Submit(ctx, p, queueTask{Queue: q, N: 6})); !slices.Equal(got, upTo(6)) {
			t.Errorf("another process got %v", got)
		}
		if n := q.Len(); n != 0 {
			t.Errorf("%d left", n)
		}
	})
	t.Run("Q-04 what another process puts arrives in its order", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		f := putMany.Submit(ctx, p, queueTask{Queue: q, N: 4})
		outcomeOf(t, f)
		for want := range 4 {
			get := q.TryGet
			if want%2 == 0 {
				get = func() (int, error) { return q.Get(ctx) }
			}
			if v, err := get(); v != want || err != nil {
				t.Errorf("got %d, %v, want %d", v, err, want)
			}
		}
	})
	t.Run("Q-05 an empty queue", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		if _, err := q.TryGet(); !errors.Is(err, ipc.ErrEmpty) {
			t.Errorf("TryGet: %v", err)
		}
		start := time.Now()
		const wait = 30 * time.Millisecond
		soon, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if _, err := q.Get(soon); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) < wait {
			t.Errorf("Get: %v after %v", err, time.Since(start))
		}
	})
	t.Run("Q-06 a process that puts and ends at once loses nothing", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		mustDo(t, q.Put(ctx, 0))
		f := putMany.Submit(ctx, p, queueTask{Queue: q, From: 1, N: 500, Fail: true})
		if _, err := f.Result(ctx); !isCrash(err) {
			t.Fatal(err)
		}
		for want := range 501 {
			if v, err := q.TryGet(); v != want || err != nil {
				t.Fatalf("got %d, %v, want %d", v, err, want)
			}
		}
	})
	t.Run("Q-07 Q-16 Q-24 Len is exact", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		for i, want := range []int{0, 1, 2, 1, 0} {
			switch i {
			case 1, 2:
				mustDo(t, q.Put(ctx, i))
			case 3, 4:
				if _, err := q.TryGet(); err != nil {
					t.Error("Q-24:", err)
				}
			}
			if n := q.Len(); n != want {
				t.Errorf("step %d: %d, want %d", i, n, want)
			}
			if got := outcomeOf(t, queueLen.Submit(ctx, p, q)); got[0] != want || got[1] != q.Cap() {
				t.Errorf("step %d: another process sees %v, want %d of %d", i, got, want, q.Cap())
			}
		}
	})
	t.Run("Q-08 Join waits until all is done", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		var fs []*futures.Future[int]
		for range 4 {
			fs = append(fs, getAndFinish.Submit(ctx, p, queueTask{Queue: q}))
		}
		if err := q.Join(ctx); err != nil {
			t.Error(err)
		}
		for round := range 3 {
			for i := range 200 {
				mustDo(t, q.Put(ctx, i))
			}
			if err := q.Join(ctx); err != nil || q.Len() != 0 {
				t.Errorf("round %d: %v, %d left", round, err, q.Len())
			}
		}
		mustDo(t, q.Put(ctx, 1))
		mustDo(t, q.Close())
		total := 0
		for _, f := range fs {
			total += outcomeOf(t, f)
		}
		if total != 601 {
			t.Errorf("%d values", total)
		}
	})
	t.Run("Q-10 Q-12 what cannot be encoded is refused by Put", func(t *testing.T) {
		q := newQueue[any](t, ipc.QueueOptions{})
		mustDo(t, q.Put(ctx, 1))
		if err := q.Put(ctx, make(chan int)); err == nil || !strings.Contains(err.Error(), "chan int") {
			t.Errorf("Put of a channel: %v", err)
		}
		mustDo(t, q.Put(ctx, 2))
		for want := range 2 {
			if v, err := q.TryGet(); err != nil || v != int64(want+1) {
				t.Errorf("%v, %v", v, err)
			}
		}
		if _, err := ipc.NewQueue[struct{ F func() }](ipc.QueueOptions{}); err == nil || !strings.Contains(err.Error(), ".F") {
			t.Errorf("a queue of functions: %v", err)
		}
	})
	t.Run("Q-13 Q-14 Q-15 Q-17 after Close", func(t *testing.T) {
		for _, used := range []bool{false, true} {
			q := newQueue[int](t, ipc.QueueOptions{})
			if used {
				mustDo(t, q.Put(ctx, 1))
				if _, err := q.Get(ctx); err != nil {
					t.Error(err)
				}
			}
			mustDo(t, q.Close())
			mustDo(t, q.Close())
			for name, err := range map[string]error{
				"Put": q.Put(ctx, 1), "TryPut": q.TryPut(1), "Get": second(q.Get(ctx)), "TryGet": second(q.TryGet()),
				"GetInto": q.GetInto(ctx, new(int)),
			} {
				if !errors.Is(err, ipc.ErrClosed) {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
	t.Run("Q-18 a queue has no descriptors", func(t *testing.T) {
		before := descriptors(t)
		for range 50 {
			q := newQueue[int](t, ipc.QueueOptions{})
			mustDo(t, q.Put(ctx, 1))
			mustDo(t, q.Discard())
		}
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
	t.Run("Q-22 TaskDone too often", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		if err := q.TaskDone(); !errors.Is(err, ipc.ErrTooManyDone) {
			t.Error(err)
		}
		mustDo(t, q.Put(ctx, 1))
		_, _ = q.Get(ctx)
		mustDo(t, q.TaskDone())
		if err := q.TaskDone(); !errors.Is(err, ipc.ErrTooManyDone) {
			t.Error(err)
		}
		mustDo(t, q.Join(ctx))
	})
	t.Run("Q-23 what is changed after Put is not seen", func(t *testing.T) {
		q := newQueue[[]int](t, ipc.QueueOptions{})
		raw := newQueue[[]byte](t, ipc.QueueOptions{})
		for range 200 {
			v, b := []int{1, 2}, []byte{1, 2}
			mustDo(t, q.Put(ctx, v))
			mustDo(t, raw.Put(ctx, b))
			v[0], b[0] = 7, 7
			if got, err := q.Get(ctx); err != nil || got[0] != 1 {
				t.Fatal(got, err)
			}
			if got, err := raw.Get(ctx); err != nil || got[0] != 1 {
				t.Fatal(got, err)
			}
		}
	})
	t.Run("Q-25 a reader that is killed while it waits", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{})
		pids := newQueue[int](t, ipc.QueueOptions{})
		for range 20 {
			f := tellAndGet.Submit(ctx, p, pingPong{q, pids})
			pid, err := pids.Get(ctx)
			mustDo(t, err)
			g := getMany.Submit(ctx, p, queueTask{Queue: q, N: 1})
			mustDo(t, kill(pid))
			if _, err := f.Result(ctx); !isCrash(err) {
				t.Errorf("who was killed: %v", err)
			}
			mustDo(t, q.Put(ctx, 5))
			if v := outcomeOf(t, g); v[0] != 5 {
				t.Errorf("got %v", v)
			}
		}
	})
	t.Run("Q-26 Close reaches all processes", func(t *testing.T) {
		q := newQueue[int](t, ipc.QueueOptions{Capacity: 3})
		takers := []*futures.Future[[]int]{
			getMany.Submit(ctx, p, queueTask{Queue: q, N: 100}), getMany.Submit(ctx, p, queueTask{Queue: q, N: 100}),
		}
		for i := range 50 {
			mustDo(t, q.Put(ctx, i))
		}
		outcomeOf(t, closeQueue.Submit(ctx, p, q))
		for _, f := range takers {
			if _, err := f.Result(ctx); !errors.Is(err, ipc.ErrClosed) {
				t.Errorf("a consumer: %v", err)
			}
		}
		if err := q.Put(ctx, 1); !errors.Is(err, ipc.ErrClosed) {
			t.Errorf("Put: %v", err)
		}
		if q.Len() != 0 {
			t.Errorf("%d left", q.Len())
		}
	})
}

// What a dead process had taken and not marked done counts as done, and is told.
func TestQueueJoinAfterDeath(t *testing.T) {
	p := open(t, 2)
	q := newQueue[int](t, ipc.QueueOptions{})
	for i := range 100 {
		mustDo(t, q.Put(t.Context(), i))
	}
	_, err := getAndFinish.Submit(t.Context(), p, queueTask{Queue: q, N: 10, Fail: true}).Result(t.Context())
	if !isCrash(err) {
		t.Fatal(err)
	}
	mustDo(t, q.Close())
	if n := outcomeOf(t, getAndFinish.Submit(t.Context(), p, queueTask{Queue: q})); n != 89 {
		t.Errorf("%d values left", n)
	}
	mustDo(t, q.Join(t.Context()))
	if q.Lost() != 1 {
		t.Errorf("%d lost", q.Lost())
	}
}

// A queue does what a slice does, whatever is put and taken, also where its counters wrap.
func TestQueueModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 3))
	for round := range 50 {
		ipc.StartRings(t, -uint32(random.IntN(2000)), -uint32(random.IntN(100)))
		capacity := 1 + random.IntN(40)
		q := newQueue[[]byte](t, ipc.QueueOptions{Capacity: capacity, Bytes: 4096})
		var model [][]byte
		used := 0
		for step := range 3000 {
			if random.IntN(2) == 0 {
				v := make([]byte, random.IntN(500))
				for i := range v {
					v[i] = byte(step + i)
				}
				need := (len(v) + 8 + 7) &^ 7
				err := q.TryPut(v)
				if fits := len(model) < capacity && used+need <= 4096; fits != (err == nil) {
					t.Fatalf("round %d, step %d: put of %d bytes: %v; %d of %d values, %d bytes", round, step, len(v), err, len(model), capacity, used)
				} else if fits {
					model, used = append(model, v), used+need
				}
			} else {
				v, err := q.TryGet()
				switch {
				case len(model) == 0:
					if !errors.Is(err, ipc.ErrEmpty) {
						t.Fatalf("round %d, step %d: %v", round, step, err)
					}
				case err != nil || !bytes.Equal(v, model[0]):
					t.Fatalf("round %d, step %d: %v, %v, want %v", round, step, v, err, model[0])
				default:
					model, used = model[1:], used-(len(v)+8+7)&^7
				}
			}
			if q.Len() != len(model) {
				t.Fatalf("round %d, step %d: %d values, want %d", round, step, q.Len(), len(model))
			}
		}
		if err := q.TryPut(make([]byte, 4096-7)); !errors.Is(err, ipc.ErrTooLarge) {
			t.Errorf("more than fits: %v", err)
		}
		mustDo(t, q.Discard())
	}
}

// Many goroutines of many processes, and each value arrives once, near the wrap-around.
func TestQueueManyGoroutines(t *testing.T) {
	ipc.StartRings(t, 1<<32-50, 1<<32-500)
	p := open(t, 2)
	ctx := t.Context()
	in, out := newQueue[int](t, ipc.QueueOptions{Bytes: 4096}), newQueue[int](t, ipc.QueueOptions{Bytes: 4096, Capacity: 7})
	const n, goroutines = 20_000, 16
	var workers []*futures.Future[int]
	for range 2 {
		workers = append(workers, passOn.Submit(ctx, p, pingPong{in, out}))
	}
	fed := make(chan error, goroutines)
	for g := range goroutines {
		go func() {
			for i := g; i < n; i += goroutines {
				if err := in.Put(ctx, i); err != nil {
					fed <- err
					return
				}
			}
			fed <- nil
		}()
	}
	seen := make([]bool, n)
	for range n {
		v, err := out.Get(ctx)
		if err != nil || seen[v] {
			t.Fatal(v, err)
		}
		seen[v] = true
	}
	for range goroutines {
		if err := <-fed; err != nil {
			t.Error(err)
		}
	}
	mustDo(t, in.Close())
	for _, f := range workers {
		outcomeOf(t, f)
	}
}

var passOn = futures.Define("test.passOn", func(ctx context.Context, in pingPong) (n int, err error) {
	results := make(chan error)
	const goroutines = 8
	for range goroutines {
		go func() {
			for v, err := range in.In.All(ctx) {
				if err == nil {
					err = in.Out.Put(ctx, v)
				}
				if err != nil {
					results <- err
					return
				}
			}
			results <- nil
		}()
	}
	for range goroutines {
		err = errors.Join(err, <-results)
	}
	return 0, err
})

// Handles are refused with an error where they make no sense.
func TestQueueBadInput(t *testing.T) {
	for _, opts := range []ipc.QueueOptions{{Capacity: -1}, {Bytes: -1}, {Bytes: 1 << 40}} {
		if _, err := ipc.NewQueue[int](opts); err == nil {
			t.Errorf("%+v is accepted", opts)
		}
	}
	var unset ipc.Queue[int]
	if _, err := unset.MarshalCBOR(); err == nil {
		t.Error("a handle of nothing is encoded")
	}
	if err := unset.Put(t.Context(), 1); !errors.Is(err, ipc.ErrClosed) {
		t.Error(err)
	}
	q := newQueue[int](t, ipc.QueueOptions{})
	handle, err := q.MarshalCBOR()
	if err != nil {
		t.Fatal(err)
	}
	var same ipc.Queue[int]
	mustDo(t, same.UnmarshalCBOR(handle))
	mustDo(t, same.Put(t.Context(), 4))
	if v, err := q.TryGet(); v != 4 || err != nil {
		t.Error(v, err)
	}
	if err := new(ipc.Queue[[]byte]).UnmarshalCBOR(handle); !errors.Is(err, ipc.ErrMismatch) {
		t.Errorf("a queue of bytes: %v", err)
	}
	if err := new(ipc.Mutex).UnmarshalCBOR(handle); !errors.Is(err, ipc.ErrMismatch) {
		t.Errorf("a mutex: %v", err)
	}
	for i := range handle {
		bad := slices.Clone(handle)
		bad[i] ^= 0xff
		if err := new(ipc.Queue[int]).UnmarshalCBOR(bad); err == nil {
			t.Errorf("with byte %d changed it is accepted", i)
		}
	}
	for i := range handle {
		if err := new(ipc.Queue[int]).UnmarshalCBOR(handle[:i]); err == nil {
			t.Errorf("its first %d bytes are accepted", i)
		}
	}
}
