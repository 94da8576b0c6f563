package ipc

import (
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
)

var (
	defLookBytes   = defineLook[*ipc.Bytes]("bytes")
	defAttachBytes = defineAttach[ipc.Bytes, *ipc.Bytes]("bytes")
)

// ours is what one takes first for each purpose.
func ours() harness.System {
	return adapter{
		connect: func(size int) (end, error) {
			there, err := queueFor(size)
			if err != nil {
				return nil, err
			}
			back, err := queueFor(size)
			if err != nil {
				return nil, err
			}
			return serveAt(link{To: there, From: back}, link{To: back, From: there}, closing(there, back))
		},
		crowd: func(size int) (crowd, error) {
			q, err := queueFor(size)
			if err != nil {
				return nil, err
			}
			all := link{To: q, From: q}
			return crowdAt(all, all, q.Close)
		},
		records: func() (records, error) {
			q, err := ipc.NewQueue[record](ipc.QueueOptions{})
			if err != nil {
				return nil, err
			}
			return recordsAt(func(r record) error { return q.Put(background, r) }, recordLink{Queue: q}, q.Close)
		},
		locks: func(processes int) (contest, error) {
			m, err := ipc.NewMutex()
			if err != nil {
				return nil, err
			}
			plain, err := ipc.NewArray[int64](1)
			if err != nil {
				return nil, err
			}
			return contestAt(processes, contention{Mutex: m, Plain: plain}, closing(m, plain))
		},
		lending: lendMutex,
		adds: func(processes int) (contest, error) {
			v, err := ipc.NewValue[int64](0)
			if err != nil {
				return nil, err
			}
			return contestAt(processes, contention{Value: v}, v.Close)
		},
		memory: (&ourMemory[*ipc.Bytes]{make: ipc.NewBytes, look: defLookBytes, opening: defAttachBytes}).open,
	}.answers(harness.System{
		Name:  "package-ipc",
		About: "Queue[[]byte] with Put and GetInto, Queue[struct], Mutex, Value.Add, and Bytes",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}

// queueFor returns a queue with the memory that it has by default, or with room for
// some messages if they are large.
func queueFor(size int) (*ipc.Queue[[]byte], error) {
	o := ipc.QueueOptions{}
	if size > 128*kib {
		o.Bytes = 8 * size
	}
	return ipc.NewQueue[[]byte](o)
}
