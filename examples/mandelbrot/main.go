// Mandelbrot draws the Mandelbrot set. Worker processes fill one picture in shared memory in
// place: only a handle and the numbers of rows travel, no pixels. It draws with one worker and
// with all of them, and prints how much faster that was.
//
//	go run ./examples/mandelbrot -out /tmp/mandelbrot.png
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
	"github.com/futures-go/futures/procpool"
)

func main() {
	procpool.ServeIfWorker() // a worker process serves here and never returns
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mandelbrot:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mandelbrot", flag.ContinueOnError)
	target := flags.String("out", "", "PNG file to write")
	width := flags.Int("width", 1536, "of the picture, in pixels; its height is two thirds of that")
	workers := flags.Int("workers", runtime.GOMAXPROCS(0), "how many processes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *target == "" || *width < 3 || *workers < 1 || flags.NArg() > 0 {
		return errors.New("usage: mandelbrot -out FILE [-width PIXELS] [-workers N]")
	}
	one, pixels, err := draw(ctx, *width, 1)
	if err != nil {
		return err
	}
	all, again, err := draw(ctx, *width, *workers)
	if err != nil {
		return err
	}
	if !bytes.Equal(pixels, again) {
		return errors.New("the pictures differ")
	}
	fmt.Fprintf(out, "1 process: %v\n%d processes: %v, %.2f times as fast\n",
		one.Round(time.Millisecond), *workers, all.Round(time.Millisecond), float64(one)/float64(all))
	return write(*target, *width, pixels)
}

// draw draws the picture and returns how long that took.
func draw(ctx context.Context, width, workers int) (took time.Duration, pixels []byte, err error) {
	height := width * 2 / 3
	p, err := procpool.New(procpool.Options{Workers: workers})
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	picture, err := ipc.NewArray[byte](width * height)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, picture.Close()) }()
	rows := func(yield func(Band) bool) {
		for first := 0; first < height; first += bandRows {
			if !yield(Band{picture, width, height, first, min(first+bandRows, height)}) {
				return
			}
		}
	}
	// The workers start before the clock does.
	if _, err := futures.Gather(ctx, warm(ctx, p, picture, workers)...); err != nil {
		return 0, nil, err
	}
	start := time.Now()
	for _, err := range fill.Map(ctx, p, rows, futures.Unordered()) {
		if err != nil {
			return 0, nil, err
		}
	}
	took = time.Since(start)
	err = picture.View(func(s []byte) error {
		pixels = bytes.Clone(s)
		return nil
	})
	return took, pixels, err
}

// warm gives each worker nothing to do.
func warm(ctx context.Context, p *procpool.Pool, picture *ipc.Array[byte], workers int) (fs []*futures.Future[int]) {
	for range workers {
		fs = append(fs, fill.Submit(ctx, p, Band{Picture: picture, Width: 1, Height: 1}))
	}
	return fs
}

func write(path string, width int, pixels []byte) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	height := len(pixels) / width
	err = png.Encode(file, &image.Gray{Pix: pixels, Stride: width, Rect: image.Rect(0, 0, width, height)})
	return errors.Join(err, file.Close())
}
