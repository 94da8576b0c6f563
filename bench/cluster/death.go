package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// recovery measures how long it takes from the death of a worker to the result of the
// task that it had, from another one.
func (a adapter) recovery(ctx context.Context, p harness.Params) ([]float64, error) {
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	s := site{place: threeProcesses, lease: p.Lease, empty: true}
	values, err := a.with(ctx, s, func(c client) ([]float64, error) {
		file := filepath.Join(folder, "pid")
		victim, err := c.(staffed).addWorker(1)
		if err != nil {
			return nil, err
		}
		f, err := c.submit(ctx, taskStall, []byte(file))
		if err != nil {
			return nil, err
		}
		if pid, err := stalled(ctx, file); err != nil || pid != victim.Pid {
			return nil, errors.Join(err, fmt.Errorf("process %d has the task, not %d", pid, victim.Pid))
		}
		// The victim runs one task at a time, so that who answers now is the other one.
		heir, err := c.(staffed).addWorker(1)
		if err != nil {
			return nil, err
		}
		if pid, err := whoIs(ctx, c); err != nil || pid != heir.Pid {
			return nil, errors.Join(err, fmt.Errorf("process %d answers, not %d", pid, heir.Pid))
		}
		start := time.Now()
		if err := victim.Kill(); err != nil {
			return nil, err
		}
		b, err := f.Result(ctx)
		took := time.Since(start)
		if err == nil && string(b) != strconv.Itoa(heir.Pid) {
			err = fmt.Errorf("the result is of %q, not of process %d", b, heir.Pid)
		}
		return []float64{float64(took) / float64(time.Millisecond)}, err
	})
	return values, errors.Join(err, os.RemoveAll(folder))
}

// whoIs returns the process of the worker that runs a task now.
func whoIs(ctx context.Context, c client) (pid int, err error) {
	f, err := c.submit(ctx, taskPID, nil)
	if err != nil {
		return 0, err
	}
	b, err := f.Result(ctx)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// stalled waits for the file that a task stall writes, and returns the process that is
// in it.
func stalled(ctx context.Context, file string) (pid int, err error) {
	for {
		text, err := os.ReadFile(file)
		if err == nil {
			return strconv.Atoi(string(text))
		}
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			return 0, errors.Join(err, ctx.Err())
		}
		time.Sleep(time.Millisecond)
	}
}
