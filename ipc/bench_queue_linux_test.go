package ipc_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// How many messages a second does a queue pass between processes, and how long does a round
// trip through two queues take? CPython's multiprocessing.Queue does the same in the same run,
// where there is a python3.

type stream struct {
	Queue *ipc.Queue[[]byte]
	N     int
	Into  bool // take into the same memory again
}

var drain = futures.Define("bench.drain", func(ctx context.Context, in stream) (n int, err error) {
	var b []byte
	for ; n < in.N && err == nil; n++ {
		if in.Into {
			err = in.Queue.GetInto(ctx, &b)
		} else {
			_, err = in.Queue.Get(ctx)
		}
	}
	return n, err
})

var feed = futures.Define("bench.feed", func(ctx context.Context, in stream) (int, error) {
	message := make([]byte, 16)
	for i := range in.N {
		if err := in.Queue.Put(ctx, message); err != nil {
			return i, err
		}
	}
	return in.N, nil
})

// benchPool returns a pool whose workers are there.
func benchPool(b *testing.B, workers int) *procpool.Pool {
	b.Helper()
	p, err := procpool.New(procpool.Options{Workers: workers})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close() })
	return p
}

func BenchmarkQueue(b *testing.B) {
	for i := range 6 {
		size, into := []int{16, 1 << 10, 64 << 10}[i/2], i%2 == 1
		b.Run(fmt.Sprintf("1p1c %d bytes %s", size, map[bool]string{false: "Get", true: "GetInto"}[into]), func(b *testing.B) {
			p := benchPool(b, 1)
			q := newQueue[[]byte](b, ipc.QueueOptions{})
			message := make([]byte, size)
			outcomeOf(b, drain.Submit(b.Context(), p, stream{Queue: q}))
			b.ResetTimer()
			f := drain.Submit(b.Context(), p, stream{q, b.N, into})
			for range b.N {
				if err := q.Put(b.Context(), message); err != nil {
					b.Fatal(err)
				}
			}
			outcomeOf(b, f)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
	for _, size := range []int{16, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("1p1c %d bytes CPython", size), func(b *testing.B) {
			cpython(b, fmt.Sprintf(pythonQueue, size))
		})
	}
	b.Run("1p1c struct", func(b *testing.B) {
		p := benchPool(b, 1)
		q := newQueue[message](b, ipc.QueueOptions{})
		outcomeOf(b, drainMessages.Submit(b.Context(), p, messages{q, 0}))
		b.ResetTimer()
		f := drainMessages.Submit(b.Context(), p, messages{q, b.N})
		for i := range b.N {
			if err := q.Put(b.Context(), message{ID: i, Name: "a name", Size: 1.5}); err != nil {
				b.Fatal(err)
			}
		}
		outcomeOf(b, f)
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("2p2c 16 bytes", func(b *testing.B) {
		p := benchPool(b, 4)
		q := newQueue[[]byte](b, ipc.QueueOptions{})
		outcomeOf(b, drain.Submit(b.Context(), p, stream{Queue: q}))
		b.ResetTimer()
		n := b.N/2 + 1
		fs := []*futures.Future[int]{
			drain.Submit(b.Context(), p, stream{Queue: q, N: n}), drain.Submit(b.Context(), p, stream{Queue: q, N: n}),
			feed.Submit(b.Context(), p, stream{Queue: q, N: n}), feed.Submit(b.Context(), p, stream{Queue: q, N: n}),
		}
		if _, err := futures.Gather(b.Context(), fs...); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(2*n)/b.Elapsed().Seconds(), "messages/s")
	})
}

// message is a small struct that goes through the codec.
type message struct {
	ID   int
	Name string
	Size float64
}

type messages struct {
	Queue *ipc.Queue[message]
	N     int
}

var drainMessages = futures.Define("bench.drainMessages", func(ctx context.Context, in messages) (n int, err error) {
	for ; n < in.N && err == nil; n++ {
		_, err = in.Queue.Get(ctx)
	}
	return n, err
})

// pythonQueue is the same in Python. It prints nanoseconds for each message.
const pythonQueue = `
import multiprocessing, sys, time
def take(q, n, done):
    for _ in range(n): q.get()
    done.set()
if __name__ == '__main__':
    size = %d
    m = multiprocessing.get_context('fork')
    n = int(sys.argv[1]) // (1 if size < 10000 else 20)
    q, done = m.Queue(1024), m.Event()
    p = m.Process(target=take, args=(q, n, done))
    p.start()
    message = b'x' * size
    q.put(message)
    t = time.perf_counter()
    for _ in range(n - 1): q.put(message)
    done.wait()
    print((time.perf_counter() - t) / n * 1e9)
    p.join()
`

// pythonRoundTrip is the median of round trips through two queues.
const pythonRoundTrip = `
import multiprocessing, sys, time
def echo(a, b):
    for v in iter(a.get, None): b.put(v)
if __name__ == '__main__':
    m = multiprocessing.get_context('fork')
    a, b = m.Queue(), m.Queue()
    p = m.Process(target=echo, args=(a, b))
    p.start()
    samples = []
    for i in range(int(sys.argv[1]) // 10):
        t = time.perf_counter()
        a.put(i); b.get()
        samples.append(time.perf_counter() - t)
    a.put(None); p.join()
    print(sorted(samples)[len(samples) // 2] * 1e9)
`

type pingPong struct{ In, Out *ipc.Queue[int] }

var echo = futures.Define("bench.echo", func(ctx context.Context, in pingPong) (n int, err error) {
	for v, err := range in.In.All(ctx) {
		if err != nil {
			return n, err
		}
		if err := in.Out.Put(ctx, v); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
})

func BenchmarkQueueRoundTrip(b *testing.B) {
	b.Run("ipc", benchmarkRoundTrip)
	b.Run("CPython", func(b *testing.B) { cpython(b, pythonRoundTrip) })
}

func benchmarkRoundTrip(b *testing.B) {
	p := benchPool(b, 1)
	there, back := newQueue[int](b, ipc.QueueOptions{}), newQueue[int](b, ipc.QueueOptions{})
	f := echo.Submit(b.Context(), p, pingPong{there, back})
	samples := make([]time.Duration, 0, b.N)
	for i := range b.N {
		start := time.Now()
		if err := there.Put(b.Context(), i); err != nil {
			b.Fatal(err)
		}
		if v, err := back.Get(b.Context()); err != nil || v != i {
			b.Fatal(v, err)
		}
		samples = append(samples, time.Since(start))
	}
	b.StopTimer()
	_ = there.Close()
	outcomeOf(b, f)
	reportSamples(b, samples)
}
