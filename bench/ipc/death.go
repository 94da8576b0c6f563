package ipc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// A lending is a lock that another process takes and is killed with.
type lending interface {
	// lend lets a process take the lock, and returns it when it has.
	lend() (*os.Process, error)
	// take takes the lock from one that died with it, and gives it back.
	take() error
	close() error
}

// inherit measures how long it takes from the death of a lock's owner until the next
// one has it, in ms.
func (a adapter) inherit(_ context.Context, p harness.Params) ([]float64, error) {
	l, err := a.lending()
	if err != nil {
		return nil, err
	}
	times, err := inheritances(l, p)
	if err := errors.Join(err, l.close()); err != nil {
		return nil, err
	}
	slices.Sort(times)
	return []float64{harness.Quantile(times, 0.5), harness.Quantile(times, 0.99)}, nil
}

func inheritances(l lending, p harness.Params) (times []float64, err error) {
	for began := time.Now(); len(times) < 3 || time.Since(began) < p.Time; {
		owner, err := l.lend()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := owner.Kill(); err != nil {
			return nil, err
		}
		if err := l.take(); err != nil {
			return nil, err
		}
		times = append(times, float64(time.Since(start))/float64(time.Millisecond))
	}
	return times, nil
}

// defKeep takes a lock for good.
var defKeep = futures.Define("bench.ipc.keep", func(ctx context.Context, m *ipc.Mutex) (bool, error) {
	m.Lock()
	<-ctx.Done()
	return true, nil
})

type ourLending struct {
	pool  *procpool.Pool
	mutex *ipc.Mutex
	kept  *futures.Future[bool] // of the last one
}

func lendMutex() (lending, error) {
	m, err := ipc.NewMutex()
	if err != nil {
		return nil, err
	}
	pool, err := procpool.New(procpool.Options{
		Workers: 1,
		Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)), // of the workers that are killed on purpose
	})
	return &ourLending{pool: pool, mutex: m}, err
}

func (o *ourLending) lend() (*os.Process, error) {
	o.kept = defKeep.Submit(background, o.pool, o.mutex)
	for began := time.Now(); ; time.Sleep(100 * time.Microsecond) {
		if pid := o.mutex.Owner(); pid != 0 {
			return os.FindProcess(pid)
		}
		if time.Since(began) > 10*time.Second {
			return nil, errors.New("the other process does not take the lock")
		}
	}
}

func (o *ourLending) take() error {
	err := o.mutex.LockContext(background)
	if !errors.Is(err, ipc.ErrOwnerDied) {
		return fmt.Errorf("the next owner is not told that the last one has died: %w", err)
	}
	o.mutex.MarkConsistent()
	o.mutex.Unlock()
	if _, err := o.kept.Result(background); err == nil {
		return errors.New("a task has a result whose process was killed")
	}
	return nil
}

func (o *ourLending) close() error { return errors.Join(o.pool.Close(), o.mutex.Close()) }
