package main

import (
	"context"
	"errors"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	leakcheck.Main(m, runtime.GC) // which lets go of the closed picture
}

// TestMandelbrot: the picture is whole, whoever drew which row.
func TestMandelbrot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.png")
	var out strings.Builder
	err := run(t.Context(), []string{"-out", path, "-width", "300", "-workers", "2"}, &out)
	if errors.Is(err, errors.ErrUnsupported) && runtime.GOOS != "linux" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^1 process: \S+\n2 processes: \S+, \d+\.\d\d times as fast\n$`).MatchString(out.String()) {
		t.Errorf("it says %q", out.String())
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() != 300 || b.Dy() != 200 {
		t.Errorf("it is %v", b)
	}
	for y := range 200 {
		for x := range 300 {
			want := shade(complex(float64(x)/300*3-2, float64(y)/200*2-1))
			if got := img.At(x, y).(color.Gray).Y; got != want {
				t.Fatalf("pixel %d, %d is %d, want %d", x, y, got, want)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	for _, args := range [][]string{{}, {"-out", "x", "-width", "0"}, {"-out", "x", "-workers", "0"}, {"-out", "x", "y"}} {
		if err := run(t.Context(), args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is nothing to interrupt")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := run(ctx, []string{"-out", filepath.Join(t.TempDir(), "x.png")}, &strings.Builder{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
