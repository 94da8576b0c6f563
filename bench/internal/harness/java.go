package harness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// Java is a program of one file, compiled into CacheDir when it is first found.
type Java struct {
	Class  string // of main; the file is named after it
	Source string
	Needs  int // the least version of the JDK; 0 for any
}

var javaVersion = regexp.MustCompile(`^\S+ (\d+)\S*`)

// Find is a System's Find.
func (j Java) Find(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", errors.New("no java")
	}
	version, err := firstLine(ctx, "java", "--version") // openjdk 17.0.15 2025-04-15
	if err != nil {
		return "", err
	}
	m := javaVersion.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("java --version says %q", version)
	}
	if major, err := strconv.Atoi(m[1]); err != nil || major < j.Needs {
		return "", fmt.Errorf("needs JDK %d, there is %s", j.Needs, version)
	}
	if _, err := exec.LookPath("javac"); err != nil {
		return "", errors.New("java without javac: a runtime, no JDK")
	}
	return version, j.compile(ctx)
}

// folder is where the compiled program is: it changes with the source.
func (j Java) folder() (string, error) {
	cache, err := CacheDir()
	sum := sha256.Sum256([]byte(j.Source))
	return filepath.Join(cache, "java", fmt.Sprintf("%s-%x", j.Class, sum[:6])), err
}

func (j Java) compile(ctx context.Context) error {
	folder, err := j.folder()
	if err != nil || isFile(filepath.Join(folder, j.Class+".class")) {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, j.Class+".java"), []byte(j.Source), 0o644); err != nil {
		return err
	}
	return command(ctx, folder, "javac", j.Class+".java")
}

// Measure runs the program; see the function Measure.
func (j Java) Measure(ctx context.Context, args ...string) ([]float64, error) {
	folder, err := j.folder()
	if err != nil {
		return nil, err
	}
	return Measure(ctx, "java", append([]string{"-cp", folder, j.Class}, args...)...)
}
