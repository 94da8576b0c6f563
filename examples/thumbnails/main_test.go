package main

import (
	"context"
	"errors"
	"io/fs"
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
	leakcheck.Main(m)
}

// TestThumbnails: the good ones are done, each bad one is named with its reason, and no
// half-written file is left.
func TestThumbnails(t *testing.T) {
	root, target := t.TempDir(), t.TempDir()
	if err := writeSamples(root); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" { // no bound on memory
		if err := os.Remove(filepath.Join(root, "bomb.png")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(root, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	failed, err := run(t.Context(), []string{"-out", target, "-size", "100", "-workers", "2", "-memory", "256", root}, &out)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		`(?m)^good\.png: 100x75 from 640x480$`, `(?m)^photo\.jpg: 50x100 from 300x600$`, `4 thumbnails, \d failed`,
		`failed: album/cut\.png: .*(EOF|no image)`, `failed: text\.jpeg: no image: image: unknown format`,
	}
	want := 2
	if runtime.GOOS == "linux" {
		wants, want = append(wants, `failed: bomb\.png: needs too much memory`), 3
	}
	for _, text := range wants {
		if !regexp.MustCompile(text).MatchString(filepath.ToSlash(out.String())) {
			t.Errorf("the output lacks %s:\n%s", text, out.String())
		}
	}
	if failed != want {
		t.Errorf("%d failed, want %d", failed, want)
	}
	made := 0
	err = filepath.WalkDir(target, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		made++
		img, err := decode(path)
		if err != nil || max(img.Bounds().Dx(), img.Bounds().Dy()) != 100 {
			t.Errorf("%s: %v, %v", path, img, err)
		}
		return nil
	})
	if made != 4 || err != nil {
		t.Errorf("%d files, %v", made, err)
	}
}

func TestFit(t *testing.T) {
	for in, want := range map[[3]int][2]int{{10, 20, 100}: {10, 20}, {1000, 500, 100}: {100, 50}, {100_000, 1, 100}: {100, 1}} {
		if w, h := fit(in[0], in[1], in[2]); w != want[0] || h != want[1] {
			t.Errorf("%v: %dx%d", in, w, h)
		}
	}
}

func TestBadInput(t *testing.T) {
	for text, args := range map[string][]string{
		"usage":         {},
		"at least 64":   {"-out", t.TempDir(), "-memory", "3", t.TempDir()},
		"are no PNG":    {"-out", t.TempDir(), t.TempDir()},
		"no such file":  {"-out", t.TempDir(), filepath.Join(t.TempDir(), "nowhere")},
		"[-size PIXELS": {"-out", t.TempDir(), "-size", "0", t.TempDir()},
	} {
		if _, err := run(t.Context(), args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: got %v, want %q", args, err, text)
		}
	}
}

func TestInterrupted(t *testing.T) {
	root := t.TempDir()
	if err := writeSamples(root); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := run(ctx, []string{"-out", t.TempDir(), root}, &strings.Builder{})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped after") {
		t.Errorf("got %v", err)
	}
}
