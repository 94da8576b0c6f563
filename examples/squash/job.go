package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
	"github.com/klauspost/compress/zstd"
)

// Job is one file to squash.
type Job struct {
	Root string // directory that Path is relative to
	Path string
	Out  string // directory to write to; empty for nowhere
}

// Done is what became of it.
type Done struct {
	Bytes, Compressed int64
	SHA256            [sha256.Size]byte // of the contents
	Worker            string            // who did it
	Took              time.Duration
}

// squash is a function with a name, so that it can run in other processes as it
// runs on goroutines.
var squash = futures.Define("squash", func(ctx context.Context, job Job) (done Done, err error) {
	began := time.Now()
	contents, err := os.ReadFile(filepath.Join(job.Root, job.Path))
	if err != nil {
		return Done{}, err
	}
	var sink io.Writer = io.Discard
	if job.Out != "" {
		file, err := create(filepath.Join(job.Out, job.Path+".zst"))
		if err != nil {
			return Done{}, err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		sink = file
	}
	count := &counter{to: sink}
	encoder := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(encoder)
	encoder.Reset(count)
	if _, err := io.Copy(encoder, bytes.NewReader(contents)); err != nil {
		return Done{}, err
	}
	if err := encoder.Close(); err != nil {
		return Done{}, err
	}
	return Done{
		Bytes:      int64(len(contents)),
		Compressed: count.bytes,
		SHA256:     sha256.Sum256(contents),
		Worker:     workerName(ctx),
		Took:       time.Since(began),
	}, nil
})

// encoders are reused, as each has large tables.
var encoders = sync.Pool{New: func() any { return newEncoder() }}

// newEncoder returns an encoder that does not work in the background, where it
// would take the other workers' processors.
func newEncoder() *zstd.Encoder {
	encoder, err := zstd.NewWriter(io.Discard, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constants
	}
	return encoder
}

func workerName(ctx context.Context) string {
	if number, ok := procpool.Worker(ctx); ok {
		return fmt.Sprintf("process %d, worker %d", os.Getpid(), number)
	}
	if t := futures.CurrentTask(ctx); t != nil {
		return fmt.Sprintf("worker %d", t.Worker())
	}
	return "nobody else"
}

type counter struct {
	to    io.Writer
	bytes int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.bytes += int64(n)
	return n, err
}

func create(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.Create(path)
}

// list returns the regular files below a directory, in order. It follows no
// links.
func list(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.Type().IsRegular() {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			files = append(files, relative)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no files", root)
	}
	slices.Sort(files)
	return files, nil
}
