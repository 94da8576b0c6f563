package main

import (
	"context"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/ipc"
)

const (
	bandRows = 8 // of a task: small enough to share the slow parts, large enough to pay
	steps    = 500
)

// Band is some rows of the picture, which one task fills and nobody else writes.
type Band struct {
	Picture       *ipc.Array[byte]
	Width, Height int
	First, End    int
}

var fill = futures.Define("mandelbrot.fill", func(ctx context.Context, b Band) (int, error) {
	pixels := b.Picture.Slice() // the memory itself
	for y := b.First; y < b.End; y++ {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		row := pixels[y*b.Width:][:b.Width]
		for x := range row {
			row[x] = shade(complex(float64(x)/float64(b.Width)*3-2, float64(y)/float64(b.Height)*2-1))
		}
	}
	return b.End - b.First, nil
})

// shade returns black for a point of the set, and lighter for one that leaves it later.
func shade(c complex128) byte {
	z := c
	for n := range steps {
		if real(z)*real(z)+imag(z)*imag(z) > 4 {
			return byte(min(255, 40+4*n))
		}
		z = z*z + c
	}
	return 0
}
