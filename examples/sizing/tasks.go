package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// ask connects to a server that answers after two milliseconds, as a database or
// another service would.
func ask(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = io.ReadAll(conn)
	return err
}

const answerAfter = 2 * time.Millisecond

func serve() (net.Listener, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			time.AfterFunc(answerAfter, func() { conn.Close() })
		}
	}()
	return listener, nil
}

// all runs n equal tasks on a pool of its own.
func all(ctx context.Context, workers, n int, task func(context.Context) (int, error)) error {
	pool := gopool.New(gopool.Options{Workers: workers})
	defer pool.Close()
	for _, err := range futures.Map(ctx, pool, func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i++ {
		}
	}, func(ctx context.Context, _ int) (int, error) { return task(ctx) }, futures.Window(4*workers)) {
		if err != nil {
			return err
		}
	}
	return nil
}

// waiting: how many workers pay for tasks that wait?
func (m *measurement) waiting(ctx context.Context, table *tabwriter.Writer) error {
	server, err := serve()
	if err != nil {
		return err
	}
	defer server.Close()
	tasks := 1000 / m.scale
	fmt.Fprintf(table, "tasks that wait %v\ttasks/s\t\n", answerAfter)
	for _, workers := range []int{1, 4, 16, 64, 256} {
		s, err := m.repeat(func() (float64, error) {
			n := min(tasks, 50*workers)
			took, err := seconds(func() error {
				return all(ctx, workers, n, func(context.Context) (int, error) { return 0, ask(server.Addr().String()) })
			})
			return float64(n) / took, err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%d workers\t%v\t\n", workers, s)
	}
	return nil
}

// computing: how many workers pay for tasks that compute?
func (m *measurement) computing(ctx context.Context, table *tabwriter.Writer) error {
	data := make([]byte, 1<<18)
	tasks := 1000 / m.scale
	fmt.Fprintln(table, "tasks that hash 256 KiB\ttasks/s\tswitches/task\t")
	for _, workers := range []int{1, 2, 4, 16, 64} {
		var switches float64
		s, err := m.repeat(func() (float64, error) {
			before := contextSwitches()
			took, err := seconds(func() error {
				return all(ctx, workers, tasks, func(context.Context) (int, error) {
					return int(sha256.Sum256(data)[0]), nil
				})
			})
			switches = float64(contextSwitches()-before) / float64(tasks)
			return float64(tasks) / took, err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%d workers\t%v\t%.2f\t\n", workers, s, switches)
	}
	return nil
}

// double does next to nothing; a variable, so that no loop has it inlined.
var double = func(_ context.Context, n int) (int, error) { return 2 * n, nil }

// nothing: what does it cost to make a task of something small?
func (m *measurement) nothing(ctx context.Context, table *tabwriter.Writer) error {
	n := 1_000_000 / m.scale
	inputs := make([]int, n)
	pool := gopool.New(gopool.Options{Workers: runtime.GOMAXPROCS(0)})
	defer pool.Close()
	fmt.Fprintln(table, "a call that does nothing\tns\t")
	for _, way := range []struct {
		name string
		run  func() error
	}{
		{"a loop", func() error {
			for _, v := range inputs {
				if _, err := double(ctx, v); err != nil {
					return err
				}
			}
			return nil
		}},
		{"MapSlice", func() error { _, err := futures.MapSlice(ctx, pool, inputs, double); return err }},
		{"Map", func() error {
			for _, err := range futures.Map(ctx, pool, slices.Values(inputs), double) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"Submit, then Result", func() error {
			const wave = 1000
			fs := make([]*futures.Future[int], 0, wave)
			for i := 0; i < n; i += wave {
				fs = fs[:0]
				for range min(wave, n-i) {
					fs = append(fs, futures.Submit(ctx, pool, func(ctx context.Context) (int, error) { return double(ctx, 1) }))
				}
				for _, f := range fs {
					if _, err := f.Result(ctx); err != nil {
						return err
					}
				}
			}
			return nil
		}},
		{"go and a WaitGroup", func() error {
			var wg sync.WaitGroup
			for _, v := range inputs {
				wg.Go(func() { _, _ = double(ctx, v) })
			}
			wg.Wait()
			return nil
		}},
	} {
		s, err := m.repeat(func() (float64, error) {
			took, err := seconds(way.run)
			return took * 1e9 / float64(n), err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%v\t\n", way.name, s)
	}
	return nil
}

// memory: what does a task weigh that waits for its turn, and what a goroutine
// that waits?
func (m *measurement) memory(ctx context.Context, table *tabwriter.Writer) error {
	n := 100_000 / m.scale
	fmt.Fprintln(table, "one that waits\tbytes\t")
	weigh := func(name string, load func() (unload func())) error {
		s, err := m.repeat(func() (float64, error) {
			before := memoryInUse()
			unload := load()
			after := memoryInUse()
			unload()
			return float64(after-before) / float64(n), nil
		})
		fmt.Fprintf(table, "%s\t%v\t\n", name, s)
		return err
	}
	err := weigh("queued task", func() func() {
		pool := gopool.New(gopool.Options{Workers: 1, Queue: n + 1})
		leave := make(chan struct{})
		futures.Submit(ctx, pool, func(context.Context) (int, error) { <-leave; return 0, nil })
		fs := make([]*futures.Future[int], n)
		for i := range fs {
			fs[i] = futures.Submit(ctx, pool, func(ctx context.Context) (int, error) { return double(ctx, 1) })
		}
		return func() { close(leave); pool.Close(); runtime.KeepAlive(fs) }
	})
	if err != nil {
		return err
	}
	return weigh("goroutine", func() func() {
		leave := make(chan struct{})
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { <-leave })
		}
		return func() { close(leave); wg.Wait() }
	})
}

// memoryInUse returns the bytes of heap and stacks.
func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
