package ipc

import (
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
)

func semaphore() harness.System {
	return adapter{
		locks: func(processes int) (contest, error) {
			s, err := ipc.NewSemaphore(ipc.SemaphoreOptions{Permits: 1})
			if err != nil {
				return nil, err
			}
			plain, err := ipc.NewArray[int64](1)
			if err != nil {
				return nil, err
			}
			return contestAt(processes, contention{Semaphore: s, Plain: plain}, closing(s, plain))
		},
	}.answers(harness.System{
		Name:  "ipc-semaphore",
		About: "Semaphore of one permit, bounded, as a lock",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}
