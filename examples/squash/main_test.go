package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
	"github.com/klauspost/compress/zstd"
)

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	leakcheck.Main(m)
}

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	root := t.TempDir()
	for name, contents := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestSquash(t *testing.T) {
	for on := range executors {
		t.Run(on, func(t *testing.T) { squashOn(t, on) })
	}
}

func squashOn(t *testing.T, on string) {
	files := map[string]string{"a.txt": strings.Repeat("ab", 50_000), "d/empty": "", "d/e/f": "small"}
	root, target := tree(t, files), t.TempDir()
	if err := os.Symlink(root, filepath.Join(root, "d", "loop")); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-on", on, "-workers", "2", "-out", target, root}, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`3 files, 0\.1 MB`, `on ` + on + `: \d`, `worker \d +\d`, `workers were \d+\.\d+ times as fast`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the output lacks %s:\n%s", want, out.String())
		}
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	for name, contents := range files {
		squashed, err := os.ReadFile(filepath.Join(target, name+".zst"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decoder.DecodeAll(squashed, nil); string(got) != contents || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// TestFailuresStopNothing: a file that cannot be read is named, the others are done.
func TestFailuresStopNothing(t *testing.T) {
	r := newReport()
	root := tree(t, map[string]string{"there": "x"})
	for _, path := range []string{"gone", "there"} {
		done, err := squash.Call(t.Context(), Job{Root: root, Path: path})
		r.add(path, done, err)
	}
	var out strings.Builder
	r.print(&out, "test")
	if len(r.failed) != 1 || !strings.Contains(out.String(), "failed: gone: open") || !strings.Contains(out.String(), "1 files") {
		t.Errorf("%v\n%s", r.failed, out.String())
	}
}

func TestBadInput(t *testing.T) {
	root := tree(t, map[string]string{"a": "a"})
	for text, args := range map[string][]string{
		"-on moon: there is cluster, goroutines, processes": {"-on", "moon", root},
		"-url is for -on cluster":                           {"-url", "nats://127.0.0.1:1", root},
		"nats://127.0.0.1:1":                                {"-on", "cluster", "-url", "nats://127.0.0.1:1", root},
		"usage: squash":                                     {},
		"with N at least 1":                                 {"-workers", "0", root},
		"no such file":                                      {filepath.Join(root, "nowhere")},
		"no files":                                          {t.TempDir()},
	} {
		if err := run(t.Context(), args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: got %v, want %q", args, err, text)
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := run(ctx, []string{tree(t, map[string]string{"a": "a"})}, &strings.Builder{})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stopped after") {
		t.Errorf("got %v", err)
	}
}
