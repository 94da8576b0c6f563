package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// report adds up what became of the files.
type report struct {
	files             int
	bytes, compressed int64
	took              time.Duration
	workers           map[string]*share
	failed            []string // with reasons
	hash              []byte   // of the paths and hashes so far
}

// share is what one worker did.
type share struct {
	files int
	bytes int64
	busy  time.Duration
}

func newReport() *report { return &report{workers: make(map[string]*share)} }

// add takes the outcome of one file. Files come in the order of their paths.
func (r *report) add(path string, done Done, err error) {
	r.files++
	if err != nil {
		r.failed = append(r.failed, fmt.Sprintf("%s: %v", path, err))
		return
	}
	r.bytes += done.Bytes
	r.compressed += done.Compressed
	sum := sha256.Sum256(fmt.Appendf(r.hash, "%s %x", path, done.SHA256))
	r.hash = sum[:]
	s := r.workers[done.Worker]
	if s == nil {
		s = new(share)
		r.workers[done.Worker] = s
	}
	s.files++
	s.bytes += done.Bytes
	s.busy += done.Took
}

// total identifies the set of files and their contents.
func (r *report) total() string { return hex.EncodeToString(r.hash) }

const mega = 1e6

func (r *report) print(out io.Writer, on string) {
	for _, text := range r.failed {
		fmt.Fprintln(out, "failed:", text)
	}
	ratio := 0.0
	if r.compressed > 0 {
		ratio = float64(r.bytes) / float64(r.compressed)
	}
	fmt.Fprintf(out, "%d files, %.1f MB -> %.1f MB (%.2f : 1), hash %.16s\n", r.files-len(r.failed),
		float64(r.bytes)/mega, float64(r.compressed)/mega, ratio, r.total())
	fmt.Fprintf(out, "on %s: %.2f s, %.1f MB/s\n\n", on, r.took.Seconds(), float64(r.bytes)/mega/r.took.Seconds())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tfiles\tMB\tbusy s\t")
	for _, name := range slices.Sorted(maps.Keys(r.workers)) {
		s := r.workers[name]
		fmt.Fprintf(table, "%s\t%d\t%.1f\t%.2f\t\n", name, s.files, float64(s.bytes)/mega, s.busy.Seconds())
	}
	_ = table.Flush() // as errors of out are not looked at either
	fmt.Fprintln(out)
}
