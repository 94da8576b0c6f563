package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Crate is a Rust program: a Cargo project that Install builds in CacheDir.
type Crate struct {
	Name  string // of the package, and so of the program
	Files fs.FS  // with Cargo.toml at its root
	// Needs names the dependency whose version is the system's.
	Needs string
}

// Find is a System's Find.
func (c Crate) Find(context.Context) (string, error) {
	if _, err := exec.LookPath("cargo"); err != nil {
		return "", errors.New("no cargo")
	}
	folder, err := c.folder()
	if err != nil {
		return "", err
	}
	if !isFile(c.program(folder)) {
		return "", fmt.Errorf("%s is not built; -install does it", c.Name)
	}
	lock, err := os.ReadFile(filepath.Join(folder, "Cargo.lock"))
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(lock), fmt.Sprintf("name = %q\nversion = ", c.Needs))
	version, _, _ := strings.Cut(after, "\n")
	return c.Needs + " " + strings.Trim(version, `"`), nil
}

// Install is a System's Install.
func (c Crate) Install(ctx context.Context) error {
	if _, err := exec.LookPath("cargo"); err != nil {
		return errors.New("no cargo")
	}
	folder, err := c.folder()
	if err != nil {
		return err
	}
	err = fs.WalkDir(c.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(c.Files, name)
		if err != nil {
			return err
		}
		return writeFile(filepath.Join(folder, filepath.FromSlash(name)), text)
	})
	if err != nil {
		return err
	}
	return command(ctx, folder, "cargo", "build", "--release", "--quiet")
}

// folder is where the project is built: it changes with the files.
func (c Crate) folder() (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	err = fs.WalkDir(c.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(c.Files, name)
		fmt.Fprintf(sum, "%s %d\n", name, len(text))
		_, _ = sum.Write(text)
		return err
	})
	return filepath.Join(cache, "rust", fmt.Sprintf("%s-%x", c.Name, sum.Sum(nil)[:6])), err
}

func (c Crate) program(folder string) string {
	return filepath.Join(folder, "target", "release", c.Name)
}

// Measure runs the program; see the function Measure.
func (c Crate) Measure(ctx context.Context, args ...string) ([]float64, error) {
	folder, err := c.folder()
	if err != nil {
		return nil, err
	}
	return Measure(ctx, c.program(folder), args...)
}
