package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/futures-go/futures"
)

// summary counts what became of the downloads.
type summary struct {
	began         time.Time
	took          time.Duration
	ok, cancelled int
	bytes         int64
	failed        []failure
}

type failure struct {
	url string
	err error
}

func (s *summary) add(url string, n int64, err error) {
	switch {
	case errors.Is(err, futures.ErrCancelled):
		s.cancelled++
	case err != nil:
		s.failed = append(s.failed, failure{url, err})
	default:
		s.ok++
		s.bytes += n
	}
}

func (s *summary) print(out io.Writer) {
	for _, f := range s.failed {
		fmt.Fprintf(out, "failed: %s: %v\n", f.url, f.err)
	}
	fmt.Fprintf(out, "%d ok, %d failed, %d not done; %.2f MB in %.2f s, %.2f MB/s\n", s.ok, len(s.failed), s.cancelled,
		float64(s.bytes)/1e6, s.took.Seconds(), float64(s.bytes)/1e6/s.took.Seconds())
}

// progress shows a line that is written over and over on a terminal, and a line
// for each failure elsewhere.
type progress struct {
	out      io.Writer
	terminal bool
	total    int
}

func newProgress(out io.Writer, terminal bool, total int) *progress {
	return &progress{out, terminal, total}
}

func (p *progress) show(s *summary, url string, err error) {
	if p.terminal {
		fmt.Fprintf(p.out, "\r\x1b[K%d of %d, %d failed, %.2f MB", s.ok+len(s.failed)+s.cancelled, p.total, len(s.failed), float64(s.bytes)/1e6)
	} else if err != nil && !errors.Is(err, futures.ErrCancelled) {
		fmt.Fprintf(p.out, "%s: %v\n", url, err)
	}
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprintln(p.out)
	}
}
