package ipc_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// everything is one object of each kind.
type everything struct {
	Queue     *ipc.Queue[[]byte]
	Mutex     *ipc.Mutex
	Recursive *ipc.RecursiveMutex
	Semaphore *ipc.Semaphore
	Event     *ipc.Event
	Cond      *ipc.Cond
	Barrier   *ipc.Barrier
	Value     *ipc.Value[int64]
	Array     *ipc.Array[int64]
	Bytes     *ipc.Bytes
	End       *ipc.PipeEnd[[]byte]
	Working   *ipc.Queue[int] // of process numbers
}

func makeEverything() (all everything, other *ipc.PipeEnd[[]byte], err error) {
	var failed [13]error
	all.Queue, failed[0] = ipc.NewQueue[[]byte](ipc.QueueOptions{})
	all.Mutex, failed[1] = ipc.NewMutex()
	all.Recursive, failed[2] = ipc.NewRecursiveMutex()
	all.Semaphore, failed[3] = ipc.NewSemaphore(ipc.SemaphoreOptions{})
	all.Event, failed[4] = ipc.NewEvent()
	lock, err := ipc.NewMutex()
	failed[5] = err
	all.Cond, failed[6] = ipc.NewCond(lock)
	all.Barrier, failed[7] = ipc.NewBarrier(ipc.BarrierOptions{Parties: 2})
	all.Value, failed[8] = ipc.NewValue[int64](0)
	all.Array, failed[9] = ipc.NewArray[int64](1 << 17)
	all.Bytes, failed[10] = ipc.NewBytes(make([]byte, 1<<20))
	all.End, other, failed[11] = ipc.Pipe[[]byte](ipc.PipeOptions{Duplex: true})
	all.Working, failed[12] = ipc.NewQueue[int](ipc.QueueOptions{})
	return all, other, errors.Join(failed[:]...)
}

// useEverything uses all objects together with another process, for ever.
var useEverything = futures.Define("ipc.useEverything", func(ctx context.Context, all everything) (int, error) {
	owner := ipc.NewOwner()
	for i := 0; ; i++ {
		err := all.Recursive.With(ctx, owner, func(bool) error {
			all.Value.Add(1)
			all.Array.Set(i%all.Array.Len(), int64(i))
			return all.Queue.Put(ctx, all.Bytes.Slice()[:i%1000])
		})
		if err == nil {
			_, err = all.Queue.Get(ctx)
		}
		if err == nil {
			err = all.Mutex.With(ctx, func(bool) error { return all.Event.Set() })
		}
		if err == nil {
			err = all.Semaphore.Acquire(ctx, 1)
		}
		if err == nil {
			err = errors.Join(all.Semaphore.Release(1), all.Event.Wait(ctx), all.Event.Set())
		}
		if err == nil {
			_, err = all.Barrier.Wait(ctx)
		}
		if err == nil && i == 10 {
			err = errors.Join(all.End.SendFile(ctx, os.Stdin), all.Working.Put(ctx, os.Getpid()))
		}
		if err != nil {
			return i, err
		}
	}
})

func init() { roles["leaveEverything"] = leaveEverything }

// leaveEverything makes all that this package has and has two workers use it; then it waits to
// be killed.
func leaveEverything(_ string, in *bufio.Reader) error {
	all, other, err := makeEverything()
	if err != nil {
		return err
	}
	defer other.Close()
	p, err := procpool.New(procpool.Options{Workers: 2})
	if err != nil {
		return err
	}
	useEverything.Submit(context.Background(), p, all)
	useEverything.Submit(context.Background(), p, all)
	// One goroutine that sleeps in each way.
	go all.Cond.Mutex().With(context.Background(), func(bool) error { return all.Cond.Wait(context.Background()) })
	go other.Send(context.Background(), make([]byte, 64<<20))
	for range 2 {
		pid, err := all.Working.Get(context.Background())
		if err != nil {
			return err
		}
		fmt.Println(pid)
	}
	inodes, err := familyInodes("self")
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(inodes, " "))
	sockets, err := ourSockets()
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(sockets, " "))
	_, err = in.ReadString('\n') // for ever
	return err
}

// familyInodes returns the inodes of the shared memory that a process maps.
func familyInodes(pid string) (all []string, err error) {
	maps, err := os.ReadFile("/proc/" + pid + "/maps")
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) >= 6 && strings.HasPrefix(fields[5], "/memfd:futures") && !slices.Contains(all, fields[4]) {
			all = append(all, fields[4])
		}
	}
	return all, err
}

// lives reports whether a process runs. One that is dead and whose parent has not asked for it
// does not.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// ourSockets returns the names of sockets that serve files, of all processes.
func ourSockets() (all []string, err error) {
	sockets, err := os.ReadFile("/proc/net/unix")
	for line := range strings.Lines(string(sockets)) {
		if at := strings.Index(line, "@futures-"); at >= 0 {
			all = append(all, strings.TrimSpace(line[at:]))
		}
	}
	return all, err
}

// TestNothingIsLeft: the whole program is killed while its workers use one object of each
// kind, and of it nothing is left: no process, no memory, no socket, no name.
func TestNothingIsLeft(t *testing.T) {
	before, err := filepath.Glob("/dev/shm/*")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		dir := t.TempDir()
		program := startRole(t, "leaveEverything", "", func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "TMPDIR="+dir) })
		pids := []int{program.cmd.Process.Pid}
		for range 2 {
			pid, err := strconv.Atoi(program.hears())
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
		inodes, sockets := strings.Fields(program.hears()), strings.Fields(program.hears())
		if len(inodes) == 0 || len(sockets) == 0 {
			t.Fatalf("memory %v, sockets %v: the program has not begun", inodes, sockets)
		}
		program.kill()
		left := func() (all []string) {
			for _, pid := range pids {
				if lives(pid) {
					all = append(all, fmt.Sprintf("process %d", pid))
				}
			}
			processes, _ := filepath.Glob("/proc/[0-9]*")
			for _, p := range processes {
				mapped, _ := familyInodes(filepath.Base(p))
				for _, inode := range mapped {
					if slices.Contains(inodes, inode) {
						all = append(all, p+" has the memory")
					}
				}
			}
			// A file was served by each worker; others may run tests beside this one.
			there, _ := ourSockets()
			for _, s := range sockets {
				if slices.Contains(there, s) {
					all = append(all, "socket "+s)
				}
			}
			return all
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			all := left()
			if len(all) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("left behind: %v", all)
			}
		}
		if names, err := os.ReadDir(dir); len(names) > 0 || err != nil {
			t.Errorf("in the directory for temporary files: %v, %v", names, err)
		}
	}
	after, _ := filepath.Glob("/dev/shm/*")
	for _, name := range after {
		if !slices.Contains(before, name) && strings.Contains(name, "futures") {
			t.Errorf("left behind: %s", name)
		}
	}
}
