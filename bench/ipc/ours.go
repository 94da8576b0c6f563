package ipc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// What the adapters of this library have in common: the other processes are workers
// of a procpool, and what they do are tasks.

var background = context.Background()

// link is a channel, as an argument of a task: two queues, or one that all share, or
// an end of a pipe.
type link struct {
	To, From *ipc.Queue[[]byte]
	End      *ipc.PipeEnd[[]byte]
}

func (l link) side() side {
	if l.End != nil {
		return endSide{l.End}
	}
	return queueSide{l.To, l.From}
}

type queueSide struct{ to, from *ipc.Queue[[]byte] }

func (q queueSide) send(b []byte) error { return q.to.Put(background, b) }

func (q queueSide) recv(buf []byte) ([]byte, error) {
	b := buf
	err := q.from.GetInto(background, &b)
	return b, err
}

type endSide struct{ end *ipc.PipeEnd[[]byte] }

func (e endSide) send(b []byte) error { return e.end.Send(background, b) }

func (e endSide) recv(buf []byte) ([]byte, error) {
	if len(buf) == 0 {
		return e.end.Recv(background)
	}
	n, err := ipc.RecvInto(background, e.end, buf)
	if short, is := errors.AsType[*ipc.BufferTooShortError](err); is {
		return short.Message, nil
	}
	return buf[:n], err
}

// portion is a part of the messages of a crowd.
type portion struct {
	Link     link
	Producer byte
	Size, N  int
}

var (
	defServe = futures.Define("bench.ipc.serve", func(_ context.Context, l link) (bool, error) {
		return true, serveOther(l.side())
	})
	defGive = futures.Define("bench.ipc.give", func(_ context.Context, p portion) (bool, error) {
		return true, give(p.Link.side(), p.Producer, p.Size, p.N)
	})
	defTake = futures.Define("bench.ipc.take", func(_ context.Context, p portion) (t tally, err error) {
		err = t.take(p.Link.side(), p.Size, p.N, false)
		return t, err
	})
)

// ourEnd is a channel to a worker that serves.
type ourEnd struct {
	side
	pool   *procpool.Pool
	served *futures.Future[bool]
	closed func() error // closes the channel
}

// serveAt starts a process that serves at the far end of a channel.
func serveAt(near, far link, closed func() error) (end, error) {
	pool, err := procpool.New(procpool.Options{Workers: 1})
	if err != nil {
		return nil, errors.Join(err, closed())
	}
	return &ourEnd{near.side(), pool, defServe.Submit(background, pool, far), closed}, nil
}

func (o *ourEnd) close() error {
	err := o.send(order(orderEnd, 0, 0))
	if err == nil {
		_, err = o.served.Result(background)
	}
	return errors.Join(err, o.closed(), o.pool.Close())
}

// ourCrowd is a channel that four processes share.
type ourCrowd struct {
	pool   *procpool.Pool
	give   link // what producers have
	take   link // what consumers have
	closed func() error
}

func crowdAt(give, take link, closed func() error) (crowd, error) {
	pool, err := procpool.New(procpool.Options{Workers: 3})
	if err != nil {
		return nil, errors.Join(err, closed())
	}
	return &ourCrowd{pool, give, take, closed}, nil
}

func (c *ourCrowd) run(size, n int) ([]tally, error) {
	producer := defGive.Submit(background, c.pool, portion{c.give, 1, size, n})
	var consumers []*futures.Future[tally]
	for range 2 {
		consumers = append(consumers, defTake.Submit(background, c.pool, portion{c.take, 0, size, n}))
	}
	if err := give(c.give.side(), 0, size, n); err != nil {
		return nil, err
	}
	if _, err := producer.Result(background); err != nil {
		return nil, err
	}
	return futures.Gather(background, consumers...)
}

func (c *ourCrowd) close() error { return errors.Join(c.closed(), c.pool.Close()) }

// contention is what a process does in a contest: it locks what is not nil, or adds
// to Value.
type contention struct {
	Mutex      *ipc.Mutex
	Semaphore  *ipc.Semaphore
	Value      *ipc.Value[int64]
	Plain      *ipc.Array[int64] // one number, which the lock guards
	Start, End int64             // in ns since 1970
}

var (
	defContend = futures.Define("bench.ipc.contend", func(_ context.Context, c contention) (share, error) { return c.contend() })
	defMeet    = futures.Define("bench.ipc.meet", func(ctx context.Context, b *ipc.Barrier) (int, error) { return b.Wait(ctx) })
)

func (c contention) contend() (share, error) {
	start, end := time.Unix(0, c.Start), time.Unix(0, c.End)
	if c.Value != nil {
		return during(start, end, func() {
			for range batchSize {
				c.Value.Add(1)
			}
		}), nil
	}
	lock, unlock := c.lockPair()
	var done share
	var failed error
	if c.Mutex != nil {
		done = during(start, end, func() {
			for range batchSize {
				c.Mutex.Lock()
				c.Mutex.Unlock() //lint:ignore SA2001 this is what is measured
			}
		})
	} else {
		done = during(start, end, func() {
			for range batchSize {
				if err := errors.Join(c.Semaphore.Acquire(background, 1), c.Semaphore.Release(1)); err != nil {
					failed = err
				}
			}
		})
	}
	for range checkedLocks {
		lock()
		c.Plain.Set(0, c.Plain.At(0)+1)
		unlock()
	}
	return done, failed
}

func (c contention) lockPair() (lock, unlock func()) {
	if c.Mutex != nil {
		return c.Mutex.Lock, c.Mutex.Unlock
	}
	// An error shows in what is counted.
	return func() { _ = c.Semaphore.Acquire(background, 1) }, func() { _ = c.Semaphore.Release(1) }
}

// ourContest is a contest between this process and workers.
type ourContest struct {
	processes int
	does      contention
	pool      *procpool.Pool // nil if there are no others
	closed    func() error
}

// contestAt starts the other processes and returns when all are there.
func contestAt(processes int, does contention, closed func() error) (contest, error) {
	c := &ourContest{processes: processes, does: does, closed: closed}
	if processes == 1 {
		return c, nil
	}
	var err error
	if c.pool, err = procpool.New(procpool.Options{Workers: processes - 1}); err != nil {
		return nil, errors.Join(err, closed())
	}
	b, err := ipc.NewBarrier(ipc.BarrierOptions{Parties: processes - 1})
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	var met []*futures.Future[int]
	for range processes - 1 {
		met = append(met, defMeet.Submit(background, c.pool, b))
	}
	_, err = futures.Gather(background, met...)
	if err := errors.Join(err, b.Close()); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (c *ourContest) run(start, end time.Time) (share, error) {
	does := c.does
	does.Start, does.End = start.UnixNano(), end.UnixNano()
	var others []*futures.Future[share]
	for range c.processes - 1 {
		others = append(others, defContend.Submit(background, c.pool, does))
	}
	all, err := does.contend()
	shares, failed := futures.Gather(background, others...)
	if err := errors.Join(err, failed); err != nil {
		return share{}, err
	}
	for _, s := range shares {
		all = all.plus(s)
	}
	if does.Value != nil {
		return all, counted(does.Value.Load(), all.N)
	}
	return all, counted(does.Plain.At(0), int64(checkedLocks*c.processes))
}

func (c *ourContest) close() error {
	if c.pool == nil {
		return c.closed()
	}
	return errors.Join(c.pool.Close(), c.closed())
}

// memoryHandle is a handle of memory.
type memoryHandle interface {
	ipc.Handle
	Slice() []byte
	Close() error
}

// attached is what a process says of objects that it has opened.
type attached struct {
	Nanoseconds int64 // for each
	Views       []view
}

func defineLook[H memoryHandle](name string) *futures.Func[H, view] {
	return futures.Define("bench.ipc.look."+name, func(_ context.Context, h H) (view, error) {
		v := viewOf(h.Slice())
		runtime.KeepAlive(h)
		return v, nil
	})
}

func defineAttach[T any, H interface {
	*T
	memoryHandle
}](name string) *futures.Func[[][]byte, attached] {
	return futures.Define("bench.ipc.attach."+name, func(_ context.Context, handles [][]byte) (attached, error) {
		views := make([]view, len(handles))
		start := time.Now()
		for i, encoded := range handles {
			h := H(new(T))
			if err := h.UnmarshalCBOR(encoded); err != nil {
				return attached{}, err
			}
			views[i] = viewOf(h.Slice())
			runtime.KeepAlive(h)
		}
		return attached{int64(time.Since(start)) / int64(len(handles)), views}, nil
	})
}

// ourMemory is memory of a kind, and a worker that looks into it.
type ourMemory[H memoryHandle] struct {
	pool    *procpool.Pool
	make    func(data []byte) (H, error)
	look    *futures.Func[H, view]
	opening *futures.Func[[][]byte, attached]
}

func (m *ourMemory[H]) open() (memory, error) {
	pool, err := procpool.New(procpool.Options{Workers: 1})
	return &ourMemory[H]{pool, m.make, m.look, m.opening}, err
}

func (m *ourMemory[H]) close() error { return m.pool.Close() }

type ourObject[H memoryHandle] struct {
	memory *ourMemory[H]
	handle H
}

func (m *ourMemory[H]) create(data []byte) (object, error) {
	h, err := m.make(data)
	return ourObject[H]{m, h}, err
}

func (o ourObject[H]) look() (view, error) {
	return o.memory.look.Submit(background, o.memory.pool, o.handle).Result(background)
}

func (o ourObject[H]) close() error { return o.handle.Close() }

func (m *ourMemory[H]) attach(objects []object, want view) (time.Duration, error) {
	var handles [][]byte
	for _, o := range objects {
		encoded, err := o.(ourObject[H]).handle.MarshalCBOR()
		if err != nil {
			return 0, err
		}
		handles = append(handles, encoded)
	}
	got, err := m.opening.Submit(background, m.pool, handles).Result(background)
	if err != nil {
		return 0, err
	}
	return time.Duration(got.Nanoseconds), seen(got.Views, len(objects), want)
}

// closing returns a function that closes all.
func closing(all ...io.Closer) func() error {
	return func() (err error) {
		for _, c := range all {
			err = errors.Join(err, c.Close())
		}
		return err
	}
}
