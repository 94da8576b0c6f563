package ipc_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

// BenchmarkValueAdd: what does a counter between processes cost, beside one of sync/atomic on
// the heap of one process?
func BenchmarkValueAdd(b *testing.B) {
	b.Run("uncontended", func(b *testing.B) {
		v := newValue(b, int64(0))
		for b.Loop() {
			v.Add(1)
		}
	})
	b.Run("uncontended int32", func(b *testing.B) {
		v := newValue(b, int32(0))
		for b.Loop() {
			v.Add(1)
		}
	})
	b.Run("uncontended float64", func(b *testing.B) {
		v := newValue(b, float64(0))
		for b.Loop() {
			v.Add(1)
		}
	})
	b.Run("sync.atomic", func(b *testing.B) {
		v := new(atomic.Int64)
		for b.Loop() {
			v.Add(1)
		}
	})
	// The time is that for one of the adds of both.
	b.Run("two processes", func(b *testing.B) {
		p := benchPool(b, 2)
		v, gate := newValue(b, int64(0)), newValue(b, int64(0))
		fs := make([]*futures.Future[int64], 2)
		for i := range fs {
			fs[i] = adder.Submit(b.Context(), p, adding{V: v, Gate: gate, Of: 2, N: (b.N + 1) / 2})
		}
		for gate.Load() < 2 {
			time.Sleep(time.Microsecond)
		}
		b.ResetTimer()
		gate.Store(3)
		for _, f := range fs {
			if _, err := f.Result(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Madd/s")
	})
	b.Run("sync.atomic, two goroutines", func(b *testing.B) {
		v, done := new(atomic.Int64), make(chan bool)
		for range 2 {
			go func() {
				for range (b.N + 1) / 2 {
					v.Add(1)
				}
				done <- true
			}()
		}
		<-done
		<-done
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1e6, "Madd/s")
	})
	b.Run("CPython", func(b *testing.B) { cpython(b, pythonAdd) })
	b.Run("CPython, two processes", func(b *testing.B) { cpython(b, pythonAddTwo) })
}

// adding is counting by a worker.
type adding struct {
	V    *ipc.Value[int64]
	Gate *ipc.Value[int64] // counts who is there; more than Of: go
	Of   int64
	N    int
}

var adder = futures.Define("test.adder", func(_ context.Context, in adding) (int64, error) {
	for in.Gate.Add(1); in.Gate.Load() <= in.Of; {
		time.Sleep(time.Microsecond)
	}
	for range in.N {
		in.V.Add(1)
	}
	return in.V.Load(), nil
})

const pythonAdd = `
import multiprocessing, sys, time
v = multiprocessing.Value('q', 0)
n = int(sys.argv[1])
t = time.perf_counter()
for _ in range(n):
    with v.get_lock():
        v.value += 1
print((time.perf_counter() - t) / n * 1e9)
`

const pythonAddTwo = `
import multiprocessing, sys, time
def work(v, b, n):
    b.wait()
    for _ in range(n):
        with v.get_lock():
            v.value += 1
if __name__ == '__main__':
    m = multiprocessing.get_context('fork')
    v, b, n = m.Value('q', 0), m.Barrier(3), int(sys.argv[1]) // 2
    ps = [m.Process(target=work, args=(v, b, n)) for _ in range(2)]
    for p in ps: p.start()
    b.wait()
    t = time.perf_counter()
    for p in ps: p.join()
    assert v.value == 2 * n
    print((time.perf_counter() - t) / n / 2 * 1e9)
`

// cpython reports the nanoseconds that a program prints for each of so many operations.
func cpython(b *testing.B, program string) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("there is no python3")
	}
	b.StopTimer()
	out, err := exec.CommandContext(b.Context(), python, "-c", program, "100000").Output()
	ns, err2 := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil || err2 != nil {
		b.Fatal(err, err2)
	}
	b.ReportMetric(ns, "ns/op")
}

// BenchmarkValue: what do the other operations cost, and what a value that does not fit into a
// word?
func BenchmarkValue(b *testing.B) {
	v := newValue(b, int64(0))
	b.Run("Load", func(b *testing.B) {
		for b.Loop() {
			v.Load()
		}
	})
	b.Run("Store", func(b *testing.B) {
		for b.Loop() {
			v.Store(1)
		}
	})
	b.Run("CompareAndSwap", func(b *testing.B) {
		v.Store(0)
		for i := int64(0); b.Loop(); i++ {
			v.CompareAndSwap(i, i+1)
		}
	})
	b.Run("Update", func(b *testing.B) {
		for b.Loop() {
			v.Update(func(n int64) int64 { return n + 1 })
		}
	})
	large := newValue(b, [8]int64{})
	b.Run("Load 64 bytes", func(b *testing.B) {
		for b.Loop() {
			large.Load()
		}
	})
	b.Run("Store 64 bytes", func(b *testing.B) {
		for b.Loop() {
			large.Store([8]int64{1})
		}
	})
	b.Run("Update 64 bytes", func(b *testing.B) {
		for b.Loop() {
			large.Update(func(n [8]int64) [8]int64 { n[0]++; return n })
		}
	})
}

// BenchmarkHandle: what does the use of a handle cost that has come in an argument: the first
// time, decoded again, and later? It does not depend on the size.
func BenchmarkHandle(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 20} {
		b.Run(fmt.Sprintf("first, %d KiB", size>>10), func(b *testing.B) { firstUse(b, size, min(1000, 512<<20/size)) })
		a, err := ipc.NewArray[byte](size)
		if err != nil {
			b.Fatal(err)
		}
		data, err := a.MarshalCBOR()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("again, %d KiB", size>>10), func(b *testing.B) {
			h := new(ipc.Array[byte])
			for b.Loop() {
				if h.UnmarshalCBOR(data) != nil {
					b.Fatal("not decoded")
				}
				h.At(0)
			}
		})
		b.Run(fmt.Sprintf("later, %d KiB", size>>10), func(b *testing.B) {
			for b.Loop() {
				a.At(0)
			}
		})
		a.Close()
	}
}

// keptArray are arrays that a worker keeps.
var keptArray []*ipc.Array[byte]

var makeArrays = futures.Define("test.makeArrays", func(_ context.Context, in [2]int) (handles [][]byte, err error) {
	for _, a := range keptArray {
		a.Close()
	}
	keptArray = nil
	for range in[0] {
		a, err := ipc.NewArray[byte](in[1])
		if err != nil {
			return nil, err
		}
		keptArray = append(keptArray, a)
		data, err := a.MarshalCBOR()
		if err != nil {
			return nil, err
		}
		handles = append(handles, data)
	}
	return handles, nil
})

// firstUse opens arrays that a worker has keptArray and this process has not seen, and touches a
// page, which is not mapped here yet. It reports the median of so many.
func firstUse(b *testing.B, size, n int) {
	p := benchPool(b, 1)
	newValue(b, 0) // this process is a member already
	handles, err := makeArrays.Submit(b.Context(), p, [2]int{n, size}).Result(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	open := make([]ipc.Array[byte], n)
	for i := range open {
		start := time.Now()
		if err := open[i].UnmarshalCBOR(handles[i]); err != nil {
			b.Fatal(err)
		}
		open[i].At(0)
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[n/2]), "ns/op")
	if _, err := makeArrays.Submit(b.Context(), p, [2]int{0, 0}).Result(b.Context()); err != nil {
		b.Fatal(err)
	}
}

var (
	lengthOf      = futures.Define("test.lengthOf", func(_ context.Context, in []byte) (int, error) { return len(in), nil })
	lengthOfBytes = futures.Define("test.lengthOfBytes", func(_ context.Context, in *ipc.Bytes) (int, error) { return in.Len(), nil })
)

// BenchmarkBytes: what does an argument of 64 MiB cost by handle and by value, beside one of
// 1 KiB?
func BenchmarkBytes(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 20} {
		p := benchPool(b, 1)
		data := make([]byte, size)
		handle, err := ipc.NewBytes(data)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("by handle, %d KiB", size>>10), func(b *testing.B) {
			for b.Loop() {
				if n, err := lengthOfBytes.Submit(b.Context(), p, handle).Result(b.Context()); n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
		b.Run(fmt.Sprintf("by value, %d KiB", size>>10), func(b *testing.B) {
			for b.Loop() {
				if n, err := lengthOf.Submit(b.Context(), p, data).Result(b.Context()); n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
		handle.Close()
		p.Close()
	}
}
