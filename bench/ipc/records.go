package ipc

import (
	"context"
	"errors"
	"fmt"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// record is a small struct, which is encoded and decoded on its way.
type record struct {
	ID   int
	Name string
	Size float64
}

func recordOf(i int) record { return record{i, "a name", 1.5} }

// records is a channel of records to a process.
type records interface {
	// run sends n records and returns when the process has had all of them, in order.
	run(n int) error
	close() error
}

// takeRecords takes n records.
func takeRecords(n int, take func() (record, error)) error {
	for i := range n {
		r, err := take()
		if err != nil {
			return err
		}
		if r != recordOf(i) {
			return fmt.Errorf("record %d is %v", i, r)
		}
	}
	return nil
}

func (a adapter) recordRate(_ context.Context, p harness.Params) ([]float64, error) {
	r, err := a.records()
	if err != nil {
		return nil, err
	}
	p.Payload = leastMessage
	rate, err := growing(p, r.run)
	return []float64{rate}, errors.Join(err, r.close())
}

// recordLink is what takes records in a worker: a queue or the end of a pipe.
type recordLink struct {
	Queue *ipc.Queue[record]
	End   *ipc.PipeEnd[record]
	N     int
}

var defTakeRecords = futures.Define("bench.ipc.takeRecords", func(ctx context.Context, l recordLink) (int, error) {
	take := func() (record, error) { return l.Queue.Get(ctx) }
	if l.End != nil {
		take = func() (record, error) { return l.End.Recv(ctx) }
	}
	return l.N, takeRecords(l.N, take)
})

// ourRecords is a channel of records to a worker.
type ourRecords struct {
	pool   *procpool.Pool
	put    func(record) error
	take   recordLink
	closed func() error
}

func recordsAt(put func(record) error, take recordLink, closed func() error) (records, error) {
	pool, err := procpool.New(procpool.Options{Workers: 1})
	if err != nil {
		return nil, errors.Join(err, closed())
	}
	return &ourRecords{pool, put, take, closed}, nil
}

func (o *ourRecords) run(n int) error {
	take := o.take
	take.N = n
	taken := defTakeRecords.Submit(background, o.pool, take)
	for i := range n {
		if err := o.put(recordOf(i)); err != nil {
			return err
		}
	}
	got, err := taken.Result(background)
	if err == nil {
		err = counted(int64(got), int64(n))
	}
	return err
}

func (o *ourRecords) close() error { return errors.Join(o.closed(), o.pool.Close()) }
