package processes

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/procpool"
)

func sharedPool() harness.System {
	return adapter{pool: true, open: func(n, queue int) (workers, error) {
		return openPool(procpool.Options{Workers: n, Queue: queue})
	}}.answers(harness.System{
		Name:  "procpool",
		About: "Func.Submit, Future.Result and Func.Map on a procpool, tasks in shared memory on Linux",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}

func isolatedPool() harness.System {
	return adapter{pool: true, open: func(n, queue int) (workers, error) {
		return openPool(procpool.Options{Workers: n, Queue: queue, Isolated: true})
	}}.answers(harness.System{
		Name:  "procpool-isolated",
		About: "the same with Options.Isolated: a pipe for each worker and one task at a time",
		Ours:  true,
		Find:  harness.Module("github.com/futures-go/futures"),
	})
}

// ourPool is a procpool as workers.
type ourPool struct{ pool *procpool.Pool }

func openPool(o procpool.Options) (workers, error) {
	o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil)) // of the workers that are killed on purpose
	p, err := procpool.New(o)
	return ourPool{p}, err
}

var background = context.Background()

var (
	numberTasks = map[string]*futures.Func[int64, int64]{nameFollowing: defFollowing, nameTotal: defTotal, nameNap: defNap}
	bytesTasks  = map[string]*futures.Func[[]byte, int64]{nameLength: defLength, nameStall: defStall}
)

func (o ourPool) number(name string, n int64) (int64, error) {
	return numberTasks[name].Submit(background, o.pool, n).Result(background)
}

func (o ourPool) bytes(name string, b []byte) (int64, error) {
	return bytesTasks[name].Submit(background, o.pool, b).Result(background)
}

func (o ourPool) echo(b []byte) ([]byte, error) {
	return defEcho.Submit(background, o.pool, b).Result(background)
}

func (o ourPool) start(n int64) future { return defFollowing.Submit(background, o.pool, n) }

func (o ourPool) startNap(n int64) future { return defNap.Submit(background, o.pool, n) }

func (o ourPool) mapAll(numbers []int64) ([]int64, error) {
	out := make([]int64, 0, len(numbers))
	for v, err := range defFollowing.Map(background, o.pool, slices.Values(numbers)) {
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (o ourPool) close() error { return o.pool.Close() }
