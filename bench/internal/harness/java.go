package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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

func (j Java) compile(ctx context.Context) error {
	file, err := cached("java", j.Class, ".java", j.Source)
	if err != nil || isFile(strings.TrimSuffix(file, ".java")+".class") {
		return err
	}
	if err := command(ctx, filepath.Dir(file), "javac", file); err != nil {
		return Broken(err)
	}
	return nil
}

// Measure runs the program; see the function Measure.
func (j Java) Measure(ctx context.Context, args ...string) ([]float64, error) {
	file, err := cached("java", j.Class, ".java", j.Source)
	if err != nil {
		return nil, err
	}
	return Measure(ctx, "java", append([]string{"-cp", filepath.Dir(file), j.Class}, args...)...)
}
