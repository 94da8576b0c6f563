package ipc_test

import (
	"context"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

type produce struct {
	Out  *ipc.Queue[int]
	N    int
	Done *ipc.Mutex
}

var producer = futures.Define("test.producer", func(ctx context.Context, in produce) (int, error) {
	for i := range in.N {
		if err := in.Out.Put(ctx, i); err != nil {
			return i, err
		}
	}
	return in.N, in.Out.Close()
})

func TestQueueSmoke(t *testing.T) {
	p, err := procpool.New(procpool.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q, err := ipc.NewQueue[int](ipc.QueueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := ipc.NewMutex()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	const n = 1000000
	f := producer.Submit(t.Context(), p, produce{q, n, m})
	got := 0
	for v, err := range q.All(t.Context()) {
		if err != nil || v != got {
			t.Fatal(v, got, err)
		}
		got++
	}
	if got != n {
		t.Error(got)
	}
	t.Log(time.Since(start)/n, "per item")
	if v, err := f.Result(t.Context()); err != nil {
		t.Error(v, err)
	}
	m.Lock()
	start = time.Now()
	for range 1000000 {
		m.Unlock()
		m.Lock()
	}
	t.Log(time.Since(start) / 1000000, "per lock")
	m.Unlock()
	m.Close()
}
