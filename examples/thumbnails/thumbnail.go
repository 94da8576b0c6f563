package main

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/futures-go/futures"
	"golang.org/x/image/draw"
)

// Job is one image. Only names travel to the worker, no pixels.
type Job struct {
	Root, Path string // Path is relative to Root
	Target     string // directory for the thumbnail
	Size       int    // its longer side
}

// Made is what became of it.
type Made struct{ Width, Height, FromWidth, FromHeight int }

func isImage(path string) bool {
	return slices.Contains([]string{".png", ".jpg", ".jpeg"}, strings.ToLower(filepath.Ext(path)))
}

func (j Job) output() string { return filepath.Join(j.Target, j.Path) }

// temporary is where the thumbnail is written before it is whole: who is killed leaves no
// half of one under the final name.
func (j Job) temporary() string { return j.output() + ".part" }

// thumbnail does not look at an image's dimensions before it decodes it, as a careful
// program would: that the pool bears what then happens is the point of this one.
var thumbnail = futures.Define("thumbnail", func(_ context.Context, job Job) (made Made, err error) {
	from, err := decode(filepath.Join(job.Root, job.Path))
	if err != nil {
		return Made{}, err
	}
	bounds := from.Bounds()
	made.FromWidth, made.FromHeight = bounds.Dx(), bounds.Dy()
	made.Width, made.Height = fit(bounds.Dx(), bounds.Dy(), job.Size)
	to := image.NewRGBA(image.Rect(0, 0, made.Width, made.Height))
	draw.CatmullRom.Scale(to, to.Bounds(), from, bounds, draw.Src, nil)
	return made, job.write(to)
})

func decode(path string) (image.Image, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	img, _, err := image.Decode(file)
	if err != nil {
		return nil, fmt.Errorf("no image: %w", err)
	}
	return img, nil
}

// fit returns the sides of a thumbnail whose longer one is at most size. No image is made
// larger.
func fit(width, height, size int) (int, int) {
	longer := max(width, height)
	if longer <= size {
		return width, height
	}
	return max(1, width*size/longer), max(1, height*size/longer)
}

func (j Job) write(img image.Image) (err error) {
	if err := os.MkdirAll(filepath.Dir(j.output()), 0o755); err != nil {
		return err
	}
	file, err := os.Create(j.temporary())
	if err != nil {
		return err
	}
	if strings.ToLower(filepath.Ext(j.Path)) == ".png" {
		err = png.Encode(file, img)
	} else {
		err = jpeg.Encode(file, img, nil)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(j.temporary()))
	}
	return os.Rename(j.temporary(), j.output())
}
