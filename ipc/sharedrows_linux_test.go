package ipc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

type (
	// foo is the struct of Python's test.
	foo struct {
		X int32
		Y float64
		Z int64
	}
	doubles struct {
		Int    *ipc.Value[int32]
		Float  *ipc.Value[float64]
		Foo    *ipc.Value[foo]
		Floats *ipc.Array[float64]
		Text   *ipc.Array[byte]
		Locked bool
	}
	locksOf struct {
		Value *ipc.Value[int64]
		Array *ipc.Array[int64]
		Lock  *ipc.Mutex // that the caller holds
	}
	adds struct {
		V *ipc.Value[int64]
		N int
	}
	element struct {
		A    *ipc.Array[byte]
		I    int
		Byte byte
	}
)

// global is made by whoever asks for it first, in each process.
var global = sync.OnceValues(func() (*ipc.Value[int64], error) { return ipc.NewValue[int64](0) })

var (
	reverse = futures.Define("test.reverse", func(_ context.Context, a *ipc.Array[int32]) (int, error) {
		slices.Reverse(a.Slice())
		return a.Len(), nil
	})
	// double doubles everything.
	doubleAll = futures.Define("test.doubleAll", func(ctx context.Context, d doubles) (int, error) {
		if d.Locked {
			m := d.Floats.Mutex()
			if err := m.LockContext(ctx); err != nil {
				return 0, err
			}
			defer m.Unlock()
		}
		d.Int.Add(d.Int.Load())
		d.Float.Add(d.Float.Load())
		d.Foo.Update(func(f foo) foo { return foo{f.X * 2, f.Y * 2, f.Z * 2} })
		for i, v := range d.Floats.Slice() {
			d.Floats.Set(i, v*2)
		}
		copy(d.Text.Slice(), bytes.Repeat(d.Text.Slice(), 2))
		return 0, nil
	})
	// tryLocks reports which locks are free.
	tryLocks = futures.Define("test.tryLocks", func(_ context.Context, in locksOf) (free []bool, err error) {
		for _, m := range []*ipc.Mutex{in.Value.Mutex(), in.Array.Mutex(), in.Lock} {
			ok := m.TryLock()
			if ok {
				m.Unlock()
			}
			free = append(free, ok)
		}
		return free, nil
	})
	addLocked = futures.Define("test.addLocked", func(ctx context.Context, in adds) (int, error) {
		m := in.V.Mutex()
		for range in.N {
			if err := m.With(ctx, func(bool) error { in.V.Store(in.V.Load() + 1); return nil }); err != nil {
				return 0, err
			}
		}
		return 0, nil
	})
	setElement = futures.Define("test.setElement", func(_ context.Context, in element) (byte, error) {
		old := in.A.At(in.I)
		in.A.Set(in.I, in.Byte)
		return old, nil
	})
	makeArray = futures.Define("test.makeArray", func(_ context.Context, n int) (*ipc.Array[byte], error) {
		a, err := ipc.NewArray[byte](n)
		if err == nil {
			a.Set(n-1, 7)
		}
		return a, err
	})
	useGlobal = futures.Define("test.useGlobal", func(context.Context, int) (int64, error) {
		v, err := global()
		if err != nil {
			return 0, err
		}
		return v.Add(1), nil
	})
	readBytes = futures.Define("test.readBytes", func(_ context.Context, b *ipc.Bytes) ([]byte, error) { return io.ReadAll(b.Reader()) })
)

// TestSharedRows holds the rows of the group SM.
func TestSharedRows(t *testing.T) {
	ctx := t.Context()
	t.Run("SM-01 a worker sets a value of each type", func(t *testing.T) {
		p := open(t, 2)
		for _, c := range valueTypes {
			t.Run(c.name(), func(t *testing.T) { c.testSet(t, p) })
		}
	})
	t.Run("SM-02 SM-06 without a lock", func(t *testing.T) {
		p := open(t, 2)
		v, a := newValue[int64](t, 0), newArray[byte](t, 3)
		fs := []*futures.Future[int]{addUnlocked.Submit(ctx, p, adds{v, 10000}), addUnlocked.Submit(ctx, p, adds{v, 10000})}
		for _, f := range fs {
			outcomeOf(t, f)
		}
		if n := v.Load(); n != 20000 {
			t.Errorf("%d", n)
		}
		outcomeOf(t, setElement.Submit(ctx, p, element{a, 1, 9}))
		if !bytes.Equal(a.Slice(), []byte{0, 9, 0}) {
			t.Errorf("%v", a.Slice())
		}
	})
	t.Run("SM-03 SM-07 the lock of a value and of an array", func(t *testing.T) {
		p := open(t, 2)
		in := locksOf{newValue[int64](t, 0), newArray[int64](t, 1), nil}
		look := func(want ...bool) {
			t.Helper()
			if got := outcomeOf(t, tryLocks.Submit(ctx, p, in)); !slices.Equal(got, want) {
				t.Errorf("free are %v, want %v", got, want)
			}
		}
		in.Lock = in.Value.Mutex()
		in.Lock.Lock()
		look(false, true, false) // it is one lock, however it arrives, and not that of others
		if again(t, in.Value).Mutex().TryLock() {
			t.Error("another handle has another lock")
		}
		again(t, in.Lock).Unlock()
		in.Lock = in.Array.Mutex()
		in.Lock.Lock()
		look(true, false, false)
		if err := in.Lock.Close(); err != nil || in.Array.Mutex().Owner() != os.Getpid() {
			t.Errorf("closing a handle of the lock closes more: %v", err)
		}
		in.Array.Mutex().Unlock()
		in.Lock = in.Value.Mutex()
		look(true, true, true)
		fs := []*futures.Future[int]{addLocked.Submit(ctx, p, adds{in.Value, 2000}), addLocked.Submit(ctx, p, adds{in.Value, 2000})}
		for _, f := range fs {
			outcomeOf(t, f)
		}
		if n := in.Value.Load(); n != 4000 {
			t.Errorf("%d with the lock", n)
		}
		// It ends with the value, also for who waits for it.
		m := in.Value.Mutex()
		m.Lock()
		waiting := make(chan error)
		go func() { waiting <- in.Lock.LockContext(ctx) }()
		_ = in.Value.Close()
		if err := <-waiting; !errors.Is(err, ipc.ErrClosed) {
			t.Errorf("who waits gets %v", err)
		}
		mustDo(t, m.Release())
		if err := in.Value.Mutex().LockContext(ctx); !errors.Is(err, ipc.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
	t.Run("SM-04 length, index, slices", func(t *testing.T) {
		a, err := ipc.NewArrayFrom([]int32{680, 626, 934, 821, 150, 233, 548, 982, 714, 831})
		mustDo(t, err)
		defer a.Close()
		a.Set(4, 160)
		copy(a.Slice()[2:5], []int32{1, 2, 3})
		if n := outcomeOf(t, reverse.Submit(ctx, open(t, 1), a)); n != 10 {
			t.Errorf("its length is %d", n)
		}
		want := []int32{831, 714, 982, 548, 233, 3, 2, 1, 626, 680}
		if !slices.Equal(a.Slice(), want) || a.At(9) != 680 || a.Len() != 10 {
			t.Errorf("%v", a.Slice())
		}
		mustDo(t, a.View(func(s []int32) error {
			if &s[0] != &a.Slice()[0] {
				t.Error("View copies")
			}
			return nil
		}))
	})
	t.Run("SM-08 SM-09 structs, numbers and bytes, with and without the lock; copies", func(t *testing.T) {
		p := open(t, 1)
		for _, locked := range []bool{false, true} {
			d := doubles{newValue[int32](t, 7), newValue(t, 1.0/3), newValue(t, foo{3, 2, 1 << 33}), newArray[float64](t, 10), newArray[byte](t, 20), locked}
			for i := range 10 {
				d.Floats.Set(i, float64(i))
			}
			copy(d.Text.Slice(), "hello")
			f := d.Foo.Load()
			outcomeOf(t, doubleAll.Submit(ctx, p, d))
			if d.Int.Load() != 14 || d.Float.Load() != 2.0/3 || d.Foo.Load() != (foo{6, 4, 1 << 34}) || d.Floats.At(9) != 18 || string(d.Text.Slice()[:5]) != "hello" {
				t.Errorf("%v %v %v %v %q", d.Int, d.Float, d.Foo, d.Floats.Slice(), d.Text.Slice())
			}
			if f != (foo{3, 2, 1 << 33}) {
				t.Errorf("a copy has changed to %v", f)
			}
			f.X = 99
			if d.Foo.Load().X != 6 {
				t.Error("a copy is the value")
			}
		}
	})
	t.Run("SM-10 memory is given out once, and comes back", testAllocation)
	t.Run("SM-11 letting go by the collector does not deadlock", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 200 {
					a, err := ipc.NewArray[byte](1 << (i % 20))
					if err != nil {
						t.Error(err)
						return
					}
					_ = again(t, a)
					_ = a.Close()
					if i%20 == 0 {
						runtime.GC()
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("SM-13 SM-17 SM-19 a second handle is the same memory", func(t *testing.T) {
		a := newArray[byte](t, 512)
		a.Set(0, 42)
		b := again(t, a)
		if b.Len() != 512 || b.At(0) != 42 {
			t.Errorf("%v", b)
		}
		b.Set(1, 43)
		if a.At(1) != 43 || &a.Slice()[0] != &b.Slice()[0] {
			t.Error("it is other memory")
		}
		if old := outcomeOf(t, setElement.Submit(ctx, open(t, 1), element{b, 1, 44})); old != 43 || a.At(1) != 44 {
			t.Errorf("a worker saw %d, and left %d", old, a.At(1))
		}
	})
	t.Run("SM-15 SM-18 SM-25 closing twice, and opening what is closed", func(t *testing.T) {
		v, a, b := newValue(t, 1), newArray[int](t, 1), newBytes(t, []byte("x"))
		m := a.Mutex()
		for _, h := range []anyHandle{v, a, b} {
			data, err := h.MarshalCBOR()
			mustDo(t, err)
			mustDo(t, h.Close())
			mustDo(t, h.Close())
			for range 2 {
				if err := h.UnmarshalCBOR(data); !errors.Is(err, ipc.ErrGone) {
					t.Errorf("%T: %v", h, err)
				}
			}
		}
		for _, err := range []error{
			panicOf(func() { v.Load() }), panicOf(func() { v.Store(1) }), panicOf(func() { v.Swap(1) }), panicOf(func() { v.CompareAndSwap(1, 1) }),
			panicOf(func() { v.Add(1) }), panicOf(func() { v.Update(func(int) int { return 0 }) }),
			panicOf(func() { a.At(0) }), panicOf(func() { a.Set(0, 1) }), panicOf(func() { a.Slice() }), panicOf(func() { b.Slice() }),
			a.View(nil), b.View(nil), second(b.ReadAt(nil, 0)), second(b.WriteTo(io.Discard)), m.LockContext(ctx),
		} {
			if !errors.Is(err, ipc.ErrClosed) || !strings.HasPrefix(err.Error(), "ipc: ") {
				t.Errorf("after Close: %v", err)
			}
		}
		if !v.Closed() || !a.Closed() || !b.Closed() || a.Len() != 0 || b.Len() != 0 || v.String() != "Value(closed)" {
			t.Errorf("%v %v %v", v, a, b)
		}
	})
	t.Run("SM-20 an interrupt of the program leaves the objects alone", func(t *testing.T) {
		p := open(t, 1)
		v := newValue[int64](t, 0)
		outcomeOf(t, addUnlocked.Submit(ctx, p, adds{v, 1}))
		interrupts := make(chan os.Signal, 1)
		signal.Notify(interrupts, os.Interrupt)
		defer signal.Stop(interrupts)
		mustDo(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
		<-interrupts
		pid := p.Inspect().Workers[0].PID
		if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
			t.Errorf("the worker is in group %d: a terminal's Ctrl-C reaches it; %v", group, err)
		}
		outcomeOf(t, addUnlocked.Submit(ctx, p, adds{v, 1}))
		if v.Load() != 2 || p.Inspect().Workers[0].PID != pid {
			t.Errorf("%v, worker %d", v, pid)
		}
	})
	t.Run("SM-21 SM-31 SM-35 a program that ends, or is killed, leaves nothing and says nothing", func(t *testing.T) {
		names := shmNames(t)
		for _, end := range []string{"returns", "is killed"} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestProgram$", "-test.v=false")
			cmd.Env = append(os.Environ(), "IPC_TEST_PROGRAM="+end)
			stdin, err := cmd.StdinPipe()
			mustDo(t, err)
			stdout, err := cmd.StdoutPipe()
			mustDo(t, err)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			mustDo(t, cmd.Start())
			var pids [2]int
			if _, err := fmt.Fscan(stdout, &pids[0], &pids[1]); err != nil {
				t.Fatalf("%v, %s", err, stderr.String())
			}
			if end == "is killed" {
				mustDo(t, cmd.Process.Kill())
			}
			_ = stdin.Close()
			_, _ = io.Copy(io.Discard, stdout)
			if err := cmd.Wait(); end == "returns" && err != nil {
				t.Errorf("%v", err)
			}
			if stderr.Len() > 0 {
				t.Errorf("a program that %s says %q", end, stderr.String())
			}
			for _, pid := range pids {
				until(t, func() bool { return syscall.Kill(pid, 0) != nil })
			}
		}
		if now := shmNames(t); !slices.Equal(now, names) {
			t.Errorf("names before: %q, and after: %q", names, now)
		}
	})
	t.Run("SM-23 records instead of mixed lists", func(t *testing.T) {
		type record struct {
			Int   int64
			Float float64
			Bool  bool
			Text  [6]byte
			Len   uint8
		}
		a := newArray[record](t, 3)
		for i := range 3 {
			a.Set(i, record{Int: int64(i), Text: [6]byte{'a', 'b', 'c', 0, 0, 0}, Len: 4})
		}
		a.Set(1, record{math.MinInt64, math.NaN(), true, [6]byte{'x'}, 1})
		for _, i := range []int{0, 2} {
			if got := a.At(i); got != (record{Int: int64(i), Text: [6]byte{'a', 'b', 'c', 0, 0, 0}, Len: 4}) {
				t.Errorf("a neighbour is %v", got)
			}
		}
		if panicOf(func() { a.Set(3, record{}) }) == nil || panicOf(func() { a.At(-1) }) == nil {
			t.Error("an index out of range")
		}
		if i := slices.IndexFunc(again(t, a).Slice(), func(r record) bool { return r.Bool }); i != 1 {
			t.Errorf("index %d", i)
		}
	})
	t.Run("SM-24 a handle has one size", func(t *testing.T) {
		for _, n := range []int{0, 1, 1 << 20} {
			data, err := newArray[byte](t, n).MarshalCBOR()
			more, err2 := newBytes(t, make([]byte, n)).MarshalCBOR()
			if len(data) != 30 || len(more) != 30 || err != nil || err2 != nil {
				t.Errorf("%d: %d and %d bytes, %v, %v", n, len(data), len(more), err, err2)
			}
		}
	})
	t.Run("SM-26 lengths are exact", func(t *testing.T) {
		p := open(t, 1)
		for _, text := range []string{"", "\x00", "abc\x00\x00", strings.Repeat("é", 10), strings.Repeat("x", 4096)} {
			b := newBytes(t, []byte(text))
			if got := outcomeOf(t, readBytes.Submit(ctx, p, b)); string(got) != text || b.Len() != len(text) {
				t.Errorf("%q is %q", text, got)
			}
		}
	})
	t.Run("SM-27 SM-28 SM-29 memory outlives who made it and who used it, until it is closed", func(t *testing.T) {
		const size = 32 << 20
		member := newValue(t, 0) // somebody buries the dead
		p := open(t, 1)
		a := outcomeOf(t, makeArray.Submit(ctx, p, size))
		mustDo(t, kill(p.Inspect().Workers[0].PID))
		until(t, func() bool { return len(p.Inspect().Workers) == 1 && p.Inspect().Workers[0].PID > 0 })
		for range 3 {
			other := open(t, 1)
			outcomeOf(t, setElement.Submit(ctx, other, element{a, 0, 1}))
			mustDo(t, other.Close())
		}
		if a.At(size-1) != 7 || a.At(0) != 1 {
			t.Error("it is gone")
		}
		before := ipc.MemoryTaken(t)
		_ = a.Close()
		a = nil
		until(t, func() bool { runtime.GC(); return ipc.MemoryTaken(t) <= before-size })
		runtime.KeepAlive(member)
	})
	t.Run("SM-32 the death of who looks after the others is noticed", func(t *testing.T) {
		out, err := runProgram(ctx, "warden")
		if err != nil || strings.TrimSpace(out) != "its lock came to me" {
			t.Errorf("%v: %s", err, out)
		}
	})
}

var addUnlocked = futures.Define("test.addUnlocked", func(_ context.Context, in adds) (int, error) {
	for range in.N {
		in.V.Add(1)
	}
	return os.Getpid(), nil
})

// shmNames returns the names of shared memory and semaphores in this system.
func shmNames(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("/dev/shm/*")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func runProgram(ctx context.Context, what string) (string, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestProgram$", "-test.v=false")
	cmd.Env = append(os.Environ(), "IPC_TEST_PROGRAM="+what)
	out, err := cmd.CombinedOutput()
	text, _, _ := strings.Cut(string(out), "PASS")
	return text, err
}

var lockAndTell = futures.Define("test.lockAndTell", func(ctx context.Context, _ int) (*ipc.Value[int64], error) {
	v, err := ipc.NewValue[int64](0)
	if err == nil {
		err = v.Mutex().LockContext(ctx)
	}
	return v, err
})

// TestProgram is the programs that other tests run.
func TestProgram(t *testing.T) {
	what := os.Getenv("IPC_TEST_PROGRAM")
	if what == "" {
		t.Skip("it is a program for other tests to run")
	}
	program := slog.Default()
	if what == "warden" {
		program = quiet // the death of a worker is as it should be
	}
	p, err := procpool.New(procpool.Options{Workers: 2, Name: "program", Logger: program})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if what == "warden" {
		// The worker is the first member of the family.
		v := outcomeOf(t, lockAndTell.Submit(t.Context(), p, 0))
		mustDo(t, kill(v.Mutex().Owner()))
		if err := v.Mutex().LockContext(t.Context()); !errors.Is(err, ipc.ErrOwnerDied) {
			t.Errorf("got %v", err)
		}
		v.Mutex().Unlock()
		_ = v.Close()
		fmt.Println("its lock came to me")
		return
	}
	v := newValue[int64](t, 0)
	b := newBytes(t, make([]byte, 1<<20))
	var pids []int
	for _, n := range []int{1, 2} {
		pids = append(pids, outcomeOf(t, addUnlocked.Submit(t.Context(), p, adds{v, n})))
		outcomeOf(t, readBytes.Submit(t.Context(), p, b))
		outcomeOf(t, useGlobal.Submit(t.Context(), p, 0))
	}
	fmt.Println(pids[0], pids[1])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// testAllocation makes and closes objects of random sizes, each filled with its number.
func testAllocation(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	type block struct {
		a *ipc.Array[uint32]
		n uint32
	}
	var blocks []block
	var handles [][]byte
	for n := range uint32(5000) {
		if len(blocks) > 0 && random.IntN(2) == 0 || len(blocks) > 30 {
			i := random.IntN(len(blocks))
			b := blocks[i]
			for at, v := range b.a.Slice() {
				if v != b.n {
					t.Fatalf("element %d of array %d is of %d", at, b.n, v)
				}
			}
			mustDo(t, b.a.Close())
			blocks = slices.Delete(blocks, i, i+1)
			continue
		}
		a, err := ipc.NewArray[uint32](random.IntN(1 << random.IntN(16)))
		mustDo(t, err)
		for i, v := range a.Slice() {
			if v != 0 {
				t.Fatalf("element %d of a new array is %d", i, v)
			}
			a.Set(i, n)
		}
		data, err := a.MarshalCBOR()
		mustDo(t, err)
		handles, blocks = append(handles, data), append(blocks, block{a, n})
	}
	for _, b := range blocks {
		mustDo(t, b.a.Close())
	}
	for _, data := range handles {
		until(t, func() bool {
			err := new(ipc.Array[uint32]).UnmarshalCBOR(data)
			if !errors.Is(err, ipc.ErrGone) {
				t.Fatal(err)
			}
			if ipc.Freed(t, data) {
				return true
			}
			runtime.GC()
			return false
		})
	}
}
