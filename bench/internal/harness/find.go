package harness

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// Go finds the toolchain itself, for what its standard library offers.
func Go(context.Context) (string, error) { return runtime.Version(), nil }

// Module returns a Find for a Go module that this program is linked with; if it is
// not, the adapter is Broken.
func Module(path string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		info, ok := debug.ReadBuildInfo()
		if !ok {
			return "", nil
		}
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path != path {
				continue
			}
			if m.Version == "" || m.Replace != nil {
				return "(devel)", nil
			}
			return m.Version, nil
		}
		return "", Broken(fmt.Errorf("not linked with %s", path))
	}
}

// Program returns a Find for a command on the path. The version is the first line
// that it prints when it is called with args.
func Program(name string, args ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("no %s", name)
		}
		return firstLine(ctx, path, args...)
	}
}

// firstLine returns the first line that a command prints.
func firstLine(ctx context.Context, path string, args ...string) (string, error) {
	var complaints tail
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		if text := complaints.String(); text != "" {
			lines := strings.Split(text, "\n")
			return "", fmt.Errorf("%s: %s", filepath.Base(path), lines[len(lines)-1])
		}
		return "", fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line, nil
}
