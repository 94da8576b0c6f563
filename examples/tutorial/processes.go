package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
	"github.com/futures-go/futures/wire"
)

// With its name, errors.Is finds it in an error that comes from another process.
func init() { wire.RegisterError("tutorial.errNegative", errNegative) }

// where tells the process that it runs in.
var where = futures.Define("tutorial.where", func(_ context.Context, n int) (int, error) { return os.Getpid(), nil })

// misfortune does to its process what no recover helps against.
var misfortune = futures.Define("tutorial.misfortune", func(_ context.Context, what string) (int, error) {
	switch what {
	case "exit":
		os.Exit(3)
	case "panic elsewhere":
		go func() { panic("nobody can recover this") }()
		select {}
	}
	panic(what)
})

// The very sum of before, in processes: only the pool is another one.
func processes(ctx context.Context, out io.Writer) error {
	procs, err := procpool.New(procpool.Options{
		Workers: 2,
		Stderr:  func(int, []byte) {}, // what a dying worker writes is in the error, too
	})
	if err != nil {
		return err
	}
	for total, err := range sum.Map(ctx, procs, slices.Values([]int{1_000_000, 2_000_000, -1})) {
		switch {
		case errors.Is(err, errNegative):
			fmt.Fprintln(out, "an error of ours, from another process:", err)
		case err != nil:
			return err
		default:
			fmt.Fprintln(out, "sum:", total)
		}
	}
	pid, err := where.Submit(ctx, procs, 0).Result(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "this is process %d, a task ran in process %d\n", os.Getpid(), pid)

	_, err = misfortune.Submit(ctx, procs, "a plain panic").Result(ctx)
	if panicked, ok := errors.AsType[*futures.PanicError](err); ok {
		fmt.Fprintln(out, "a panic, and the worker lives:", panicked.Value)
	}
	for _, what := range []string{"exit", "panic elsewhere"} {
		_, err = misfortune.Submit(ctx, procs, what).Result(ctx)
		if crash, ok := errors.AsType[*futures.CrashError](err); ok {
			fmt.Fprintf(out, "%s: the worker is gone with exit code %d, and we are not\n", what, crash.ExitCode)
		}
	}
	total, err := sum.Submit(ctx, procs, 1000).Result(ctx)
	fmt.Fprintln(out, "and the next sum is right again:", total, err)
	return procs.Close()
}
