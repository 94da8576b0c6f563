package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

// Five processes put what they have found into one queue, which each gets as a field of its
// argument. Whoever reads it asks nobody whether it is empty: the loop ends when the queue is
// closed and drained.

type hunt struct {
	Number int
	Found  *ipc.Queue[find]
}

type find struct {
	Process, Number, Square int
}

var hunter = futures.Define("tutorial.hunter", func(ctx context.Context, h hunt) (struct{}, error) {
	return struct{}{}, h.Found.Put(ctx, find{os.Getpid(), h.Number, h.Number * h.Number})
})

func queue(ctx context.Context, out io.Writer) error {
	procs, err := procpool.New(procpool.Options{Workers: 5})
	if err != nil {
		return err
	}
	defer procs.Close()
	found, err := ipc.NewQueue[find](ipc.QueueOptions{})
	if err != nil {
		return err
	}
	var hunters []*futures.Future[struct{}]
	for n := range 5 {
		hunters = append(hunters, hunter.Submit(ctx, procs, hunt{n, found}))
	}
	go func() {
		_, _ = futures.Gather(ctx, hunters...)
		_ = found.Close() // who has put something has put it: nothing is on its way
	}()
	sum, processes := 0, make(map[int]bool)
	for f, err := range found.All(ctx) {
		if err != nil {
			return err
		}
		sum += f.Square
		processes[f.Process] = true
	}
	fmt.Fprintf(out, "the squares of 0 to 4, through one queue, sum up to %d; from other processes only: %v\n", sum, !processes[os.Getpid()])
	return nil
}

// A counter in shared memory. Reading, adding and writing back are three steps here too,
// and what another process does in between is lost; with the lock, or with Add, which is one
// step, nothing is.

type tally struct {
	Start *ipc.Barrier // so that both count at the same time
	Count *ipc.Value[int64]
	Times int
	How   string
}

var tallier = futures.Define("tutorial.tallier", func(ctx context.Context, t tally) (struct{}, error) {
	if _, err := t.Start.Wait(ctx); err != nil {
		return struct{}{}, err
	}
	lock := t.Count.Mutex()
	for range t.Times {
		switch t.How {
		case "without a lock":
			n := t.Count.Load()
			t.Count.Store(n + 1)
		case "with the lock":
			if err := lock.LockContext(ctx); err != nil {
				return struct{}{}, err
			}
			n := t.Count.Load()
			t.Count.Store(n + 1)
			lock.Unlock()
		case "with Add":
			t.Count.Add(1)
		}
	}
	return struct{}{}, nil
})

func sharedCounter(ctx context.Context, out io.Writer) error {
	procs, err := procpool.New(procpool.Options{Workers: 2})
	if err != nil {
		return err
	}
	defer procs.Close()
	start, err := ipc.NewBarrier(ipc.BarrierOptions{Parties: 2})
	if err != nil {
		return err
	}
	defer start.Close()
	const times = 300_000
	for _, how := range []string{"with the lock", "with Add", "without a lock"} {
		count, err := ipc.NewValue(int64(0))
		if err != nil {
			return err
		}
		var fs []*futures.Future[struct{}]
		for range 2 {
			fs = append(fs, tallier.Submit(ctx, procs, tally{start, count, times, how}))
		}
		if _, err := futures.Gather(ctx, fs...); err != nil {
			return err
		}
		if n := count.Load(); n == 2*times {
			fmt.Fprintf(out, "%s: %d of %d\n", how, n, 2*times)
		} else {
			fmt.Fprintf(out, "%s: some of %d are lost\n", how, 2*times)
		}
		if err := count.Close(); err != nil {
			return err
		}
	}
	return nil
}

// A pipe to a process: one end is the task's argument. When the process is done, or dead, the
// other side reads the end of the file.

var speaker = futures.Define("tutorial.speaker", func(ctx context.Context, mouth *ipc.PipeEnd[string]) (struct{}, error) {
	defer func() { _ = mouth.Close() }()
	for _, word := range []string{"one", "two", "three"} {
		if err := mouth.Send(ctx, word); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
})

func pipe(ctx context.Context, out io.Writer) error {
	procs, err := procpool.New(procpool.Options{Workers: 1})
	if err != nil {
		return err
	}
	defer procs.Close()
	ear, mouth, err := ipc.Pipe[string](ipc.PipeOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = ear.Close() }()
	f := speaker.Submit(ctx, procs, mouth)
	if err := mouth.Close(); err != nil { // ours: the process has one of its own
		return err
	}
	for {
		word, err := ear.Recv(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(out, "through the pipe:", word)
	}
	_, err = f.Result(ctx)
	fmt.Fprintln(out, "and its end; error", err)
	return nil
}
