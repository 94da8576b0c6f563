// Squash compresses and hashes every file below a directory, on as many workers
// as it is told, and prints how much faster that was than one after another.
//
//	go run ./examples/squash -on goroutines -workers 2 $(go env GOROOT)/src
//
// With -on cluster -url URL others can help: where the directory has the same name,
//
//	go run ./examples/squash -serve -url URL -workers 2
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/procpool"
)

func main() {
	procpool.ServeIfWorker()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "squash:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("squash", flag.ContinueOnError)
	on := flags.String("on", "goroutines", "where the work runs: "+places())
	workers := flags.Int("workers", runtime.GOMAXPROCS(0), "how many files at the same time")
	url := flags.String("url", "", "with -on cluster: the servers' addresses; without it a server in this program")
	serve := flags.Bool("serve", false, "work for others at -url, until interrupted")
	target := flags.String("out", "", "directory for the compressed files; without it they are thrown away")
	serial := flags.Bool("serial", true, "also do it one after another, to compare")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *serve && *url != "" && flags.NArg() == 0 && *workers > 0 {
		return cluster.Serve(ctx, cluster.ServeOptions{Connection: at(*url), Workers: *workers})
	}
	if *serve || flags.NArg() != 1 || *workers < 1 {
		return errors.New("usage: squash [-on PLACE] [-url URL] [-workers N] [-out DIR] [-serial=false] DIR, or squash -serve -url URL [-workers N], with N at least 1")
	}
	files, err := list(flags.Arg(0))
	if err != nil {
		return err
	}
	jobs := make([]Job, len(files))
	for i, f := range files {
		jobs[i] = Job{Root: flags.Arg(0), Path: f, Out: *target}
	}
	ex, err := open(ctx, *on, *workers, *url)
	if err != nil {
		return err
	}
	warmUp(jobs, *workers)
	parallel := newReport()
	began := time.Now()
	for done, err := range squash.Map(ctx, ex, slices.Values(jobs)) {
		if parallel.files == len(jobs) || ctx.Err() != nil {
			break // the last thing yielded says that ctx has ended
		}
		parallel.add(jobs[parallel.files].Path, done, err)
	}
	parallel.took = time.Since(began)
	if err := ex.Close(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped after %d of %d files: %w", parallel.files, len(jobs), context.Cause(ctx))
	}
	parallel.print(out, *on)
	if *serial {
		alone := newReport()
		began := time.Now()
		for _, job := range jobs {
			done, err := squash.Call(ctx, job)
			alone.add(job.Path, done, err)
		}
		alone.took = time.Since(began)
		fmt.Fprintf(out, "one after another: %.2f s, so %d workers were %.2f times as fast\n",
			alone.took.Seconds(), *workers, alone.took.Seconds()/parallel.took.Seconds())
		if alone.total() != parallel.total() {
			return errors.New("the two passes differ: has a file changed meanwhile?")
		}
	}
	if n := len(parallel.failed); n > 0 {
		return fmt.Errorf("%d of %d files failed", n, len(jobs))
	}
	return nil
}

// warmUp reads the files once and makes the encoders, so that the pass that comes
// first does not pay for both.
func warmUp(jobs []Job, workers int) {
	for _, job := range jobs {
		if file, err := os.Open(filepath.Join(job.Root, job.Path)); err == nil {
			_, _ = io.Copy(io.Discard, file) // what cannot be read is told later
			_ = file.Close()
		}
	}
	for range workers {
		encoder := newEncoder()
		defer encoders.Put(encoder)
		_, _ = io.WriteString(encoder, "warm")
		_ = encoder.Close()
	}
}
