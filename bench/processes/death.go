package processes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// A death is one of workers of one process, which hangs in a task, the victim, with
// tasks behind that.
type death struct {
	workers workers
	folder  string
	process *os.Process
	victim  <-chan outcome
	queued  []<-chan outcome
}

type outcome struct {
	value int64
	err   error
	at    time.Time
}

// prepare makes everything ready for a kill.
func (a adapter) prepare(ctx context.Context, p harness.Params) (d *death, err error) {
	d = &death{}
	if d.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	if d.workers, err = a.open(1, p.Tasks); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.folder))
	}
	file := filepath.Join(d.folder, "pid")
	err = oneCall(d.workers, 1)
	d.victim = later(func() (int64, error) { return d.workers.bytes(nameStall, []byte(file)) })
	for err == nil && d.process == nil {
		var text []byte
		if text, err = os.ReadFile(file); err == nil {
			var pid int
			if pid, err = strconv.Atoi(string(text)); err == nil {
				d.process, err = os.FindProcess(pid)
			}
		} else if errors.Is(err, os.ErrNotExist) {
			time.Sleep(time.Millisecond)
			err = ctx.Err()
		}
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	if pipe, can := d.workers.(pipeliner); can && a.pool {
		for i := range p.Tasks {
			f := pipe.start(int64(i))
			d.queued = append(d.queued, later(func() (int64, error) { return f.Result(ctx) }))
		}
	}
	return d, nil
}

// later runs fn in a goroutine; its outcome comes from the channel.
func later(fn func() (int64, error)) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		v, err := fn()
		c <- outcome{v, err, time.Now()}
	}()
	return c
}

func (d *death) close() error {
	return errors.Join(d.workers.close(), os.RemoveAll(d.folder))
}

// notice measures how long it takes until the call that a killed process had
// returns with an error.
func (a adapter) notice(ctx context.Context, p harness.Params) ([]float64, error) {
	d, err := a.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := d.process.Kill(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	got := <-d.victim
	if got.err == nil {
		return nil, errors.Join(errors.New("a task that was killed has a result"), d.close())
	}
	// What had nothing to go on with ends with an error too.
	err = d.close()
	if a.restarts {
		err = nil
	}
	return []float64{milliseconds(got.at.Sub(start))}, err
}

// recovery measures how long it takes until the next result, and counts the tasks
// that were lost. Who has no pool starts another process when the call has failed.
func (a adapter) recovery(ctx context.Context, p harness.Params) ([]float64, error) {
	d, err := a.prepare(ctx, p)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := d.process.Kill(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	lost := 0
	var next time.Time
	if a.restarts {
		if got := <-d.victim; got.err != nil {
			lost++
		}
		_ = d.workers.close() // of what is dead
		another, err := a.open(1, 0)
		if err == nil {
			err = oneCall(another, 1)
			next = time.Now()
			err = errors.Join(err, another.close())
		}
		return []float64{milliseconds(next.Sub(start)), float64(lost)}, errors.Join(err, os.RemoveAll(d.folder))
	}
	for i, c := range d.queued {
		got := <-c
		switch {
		case got.err != nil:
			lost++
		case got.value != int64(i)+1:
			return nil, errors.Join(fmt.Errorf("task %d has the result %d", i, got.value), d.close())
		case next.IsZero() || got.at.Before(next):
			next = got.at
		}
	}
	if got := <-d.victim; got.err != nil {
		lost++
	}
	if next.IsZero() {
		return nil, errors.Join(errors.New("all tasks are lost"), d.close())
	}
	return []float64{milliseconds(next.Sub(start)), float64(lost)}, d.close()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
