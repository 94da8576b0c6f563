// Fetch downloads a list of URLs to a directory, several at a time.
//
//	fetch -dir pages -workers 8 urls.txt
//
// The list has a URL a line; empty lines and those that begin with # are left
// out. Without a file it is read from standard input. Fetch ends with 1 if
// anything failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "fetch:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out, progress io.Writer) error {
	flags := flag.NewFlagSet("fetch", flag.ContinueOnError)
	flags.SetOutput(progress)
	dir := flags.String("dir", ".", "directory to write to")
	workers := flags.Int("workers", 8, "downloads at the same time")
	timeout := flags.Duration("timeout", 30*time.Second, "for one attempt at one URL")
	retries := flags.Int("retries", 2, "further attempts after a failure that may pass")
	backoff := flags.Duration("backoff", 500*time.Millisecond, "wait before the first of them; it doubles")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *workers < 1 || *timeout <= 0 || *retries < 0 || *backoff < 0 || flags.NArg() > 1 {
		return errors.New("usage: fetch [-dir DIR] [-workers N] [-timeout D] [-retries N] [-backoff D] [FILE], with N and D positive")
	}
	if flags.NArg() == 1 {
		file, err := os.Open(flags.Arg(0))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // only read
		in = file
	}
	list, err := readList(in)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	d := &downloads{dir: *dir, workers: *workers, timeout: *timeout, retries: *retries, backoff: *backoff}
	s := d.all(ctx, list, newProgress(progress, isTerminal(progress), len(list)))
	s.print(out)
	if ctx.Err() != nil {
		return fmt.Errorf("interrupted with %d of %d missing", len(list)-s.ok, len(list))
	}
	if len(s.failed) > 0 {
		return fmt.Errorf("%d of %d failed", len(s.failed), len(list))
	}
	return nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
