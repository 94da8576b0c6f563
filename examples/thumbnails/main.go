// Thumbnails makes a small copy of every PNG and JPEG image below a directory, in worker
// processes with a bound on memory and on time: images come from strangers, and a decoder
// may crash, hang, or be made to fill the memory. Every other image is done all the same,
// and each bad one is named with its reason.
//
//	go run ./examples/thumbnails -out /tmp/thumbnails ~/Pictures
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

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

func main() {
	procpool.ServeIfWorker() // a worker process serves here and never returns
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "thumbnails:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

// run returns how many images failed.
func run(ctx context.Context, args []string, out io.Writer) (failed int, err error) {
	flags := flag.NewFlagSet("thumbnails", flag.ContinueOnError)
	target := flags.String("out", "", "directory to write to")
	size := flags.Int("size", 128, "the longer side of a thumbnail, in pixels")
	workers := flags.Int("workers", runtime.GOMAXPROCS(0), "how many processes")
	memory := flags.Int64("memory", 512, "MiB that a process may use")
	timeout := flags.Duration("timeout", 30*time.Second, "for one image")
	demo := flags.Bool("demo", false, "make images that are good, corrupt, and a bomb, and use those")
	if err := flags.Parse(args); err != nil {
		return 0, err
	}
	if *target == "" || *size < 1 || *workers < 1 || *memory < 64 || *timeout <= 0 || (flags.NArg() == 1) == *demo {
		return 0, errors.New("usage: thumbnails -out DIR [-size PIXELS] [-workers N] [-memory MIB, at least 64] [-timeout D] DIR|-demo")
	}
	root := flags.Arg(0)
	if *demo {
		if root, err = os.MkdirTemp("", "thumbnails"); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
		if err := writeSamples(root); err != nil {
			return 0, err
		}
	}
	jobs, err := list(root, *target, *size)
	if err != nil {
		return 0, err
	}
	procs, err := procpool.New(procpool.Options{
		Workers:     *workers,
		MemoryLimit: *memory << 20,
		Stderr:      func(int, []byte) {}, // the end of it is in the error
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, procs.Close()) }()
	i, done := 0, 0
	for made, err := range thumbnail.Map(ctx, procs, slices.Values(jobs), futures.Timeout(*timeout)) {
		if ctx.Err() != nil {
			return failed, fmt.Errorf("stopped after %d of %d images: %w", i, len(jobs), context.Cause(ctx))
		}
		if err != nil {
			failed++
			fmt.Fprintf(out, "failed: %s: %s\n", jobs[i].Path, reason(err))
			_ = os.Remove(jobs[i].temporary()) // a killed process leaves it behind
		} else {
			done++
			fmt.Fprintf(out, "%s: %dx%d from %dx%d\n", jobs[i].Path, made.Width, made.Height, made.FromWidth, made.FromHeight)
		}
		i++
	}
	fmt.Fprintf(out, "%d thumbnails, %d failed\n", done, failed)
	return failed, nil
}

// reason says in a few words why there is no thumbnail.
func reason(err error) string {
	crash, crashed := errors.AsType[*futures.CrashError](err)
	panicked, isPanic := errors.AsType[*futures.PanicError](err)
	switch {
	case errors.Is(err, futures.ErrTimeout):
		return "took too long"
	case crashed && crash.OOM:
		return "needs too much memory"
	case crashed:
		return fmt.Sprintf("its process crashed: %v", crash)
	case isPanic:
		return fmt.Sprintf("the decoder panicked: %v", panicked.Value)
	}
	return err.Error()
}

// list returns a job for each image below root, in order.
func list(root, target string, size int) (jobs []Job, err error) {
	err = filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || !isImage(path) {
			return err
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		jobs = append(jobs, Job{Root: root, Path: relative, Target: target, Size: size})
		return nil
	})
	if err == nil && len(jobs) == 0 {
		err = fmt.Errorf("%s: there are no PNG or JPEG images", root)
	}
	return jobs, err
}
