package ipc

import (
	"errors"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
)

func pipeEnd() harness.System {
	return adapter{
		connect: func(int) (end, error) {
			near, far, err := ipc.Pipe[[]byte](ipc.PipeOptions{Duplex: true})
			if err != nil {
				return nil, err
			}
			return serveAt(link{End: near}, link{End: far}, closing(near, far))
		},
		crowd: func(int) (crowd, error) {
			take, give, err := ipc.Pipe[[]byte](ipc.PipeOptions{})
			if err != nil {
				return nil, err
			}
			return crowdAt(link{End: give}, link{End: take}, func() error { return errors.Join(give.CloseAll(), take.CloseAll()) })
		},
		records: func() (records, error) {
			take, give, err := ipc.Pipe[record](ipc.PipeOptions{})
			if err != nil {
				return nil, err
			}
			return recordsAt(func(r record) error { return give.Send(background, r) }, recordLink{End: take},
				func() error { return errors.Join(give.CloseAll(), take.CloseAll()) })
		},
	}.answers(harness.System{
		Name:  "ipc-pipe",
		About: "PipeEnd[[]byte] with Send and RecvInto",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}
