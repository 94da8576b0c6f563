package processes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
)

// idle measures what the processes of an idle pool have of memory of their own, in
// MiB for each worker, and take of the processors, in ms a second, this process
// included.
func (a adapter) idle(_ context.Context, p harness.Params) ([]float64, error) {
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		return nil, harness.Decline("asked on Linux only")
	}
	return a.with(p.Workers, 0, func(w workers) ([]float64, error) {
		if err := occupy(w, p.Workers); err != nil {
			return nil, err
		}
		time.Sleep(max(p.Time, settling))
		pids, err := descendants(os.Getpid())
		if err != nil {
			return nil, err
		}
		self := os.Getpid()
		before, err := sumOf(append(pids, self), processorTime)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		time.Sleep(5 * p.Time)
		took := time.Since(start)
		after, err := sumOf(append([]int{self}, pids...), processorTime)
		if err != nil {
			return nil, err
		}
		memory, err := sumOf(pids, privateMemory)
		return []float64{
			float64(memory) / mib / float64(p.Workers),
			float64(after-before) / float64(time.Millisecond) / took.Seconds(),
		}, err
	})
}

// settling is how long a pool is left alone before it counts as idle.
const settling = 100 * time.Millisecond

// occupy gives all workers of a pool something to do at the same time, so that those
// are there that are started when they are needed.
func occupy(w workers, n int) error {
	const rounds = 20
	there := 0
	for range rounds {
		pids, err := descendants(os.Getpid())
		if err != nil {
			return err
		}
		if there = len(pids); there >= n {
			return nil
		}
		pool, can := w.(napper)
		if !can {
			break
		}
		naps := make([]future, n)
		for i := range naps {
			naps[i] = pool.startNap(200)
		}
		for _, f := range naps {
			if _, err := f.Result(background); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("%d workers are %d processes", n, there)
}

// sumOf adds up what of is of processes.
func sumOf(pids []int, of func(pid int) (int64, error)) (sum int64, err error) {
	for _, pid := range pids {
		n, err := of(pid)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// descendants returns the processes below one.
func descendants(pid int) (pids []int, err error) {
	err = eachThread(pid, "children", func(text string) error {
		for word := range strings.FieldsSeq(text) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			below, err := descendants(child)
			if err != nil {
				return err
			}
			pids = append(append(pids, child), below...)
		}
		return nil
	})
	return pids, err
}

// processorTime returns what a process has taken, in ns.
func processorTime(pid int) (spent int64, err error) {
	err = eachThread(pid, "schedstat", func(text string) error {
		first, _, _ := strings.Cut(text, " ")
		n, err := strconv.ParseInt(first, 10, 64)
		spent += n
		return err
	})
	return spent, err
}

// eachThread calls read with a file of each thread of a process.
func eachThread(pid int, file string, read func(text string) error) error {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/%s", pid, file))
	for _, f := range files {
		text, failed := os.ReadFile(f)
		if errors.Is(failed, fs.ErrNotExist) {
			continue // the thread has ended
		}
		if failed == nil {
			failed = read(string(text))
		}
		err = errors.Join(err, failed)
	}
	return err
}

// privateMemory returns the bytes that a process has and shares with none.
func privateMemory(pid int) (bytes int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // Private_Dirty: 123 kB
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "Private_") {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, err
		}
		bytes += n << 10
	}
	return bytes, nil
}
