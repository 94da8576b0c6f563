package harness

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// pythonVenv is the folder of the benchmark's own Python packages.
func pythonVenv() (string, error) {
	cache, err := CacheDir()
	return filepath.Join(cache, "python"), err
}

// Python returns the path of the interpreter: that of the benchmark's own packages
// if they are installed, else the system's.
func Python() (string, error) {
	venv, err := pythonVenv()
	if err != nil {
		return "", err
	}
	if own := filepath.Join(venv, "bin", "python"); isFile(own) {
		return own, nil
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("no python3")
	}
	return path, nil
}

// PythonStdlib returns a Find for modules of the standard library, such as
// "multiprocessing": small installations leave some out.
func PythonStdlib(modules ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		python, err := Python()
		if err != nil {
			return "", err
		}
		const program = `import importlib, sys
for name in sys.argv[1:]: importlib.import_module(name)
print("CPython", sys.version.split()[0])`
		return firstLine(ctx, python, append([]string{"-c", program}, modules...)...)
	}
}

// PythonPackage returns a Find for an installed distribution, such as "pebble".
func PythonPackage(name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		python, err := Python()
		if err != nil {
			return "", err
		}
		version, err := firstLine(ctx, python, "-c", "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))", name)
		if err != nil {
			return "", fmt.Errorf("no Python package %s; -install gets it", name)
		}
		return version, nil
	}
}

// InstallPython returns an Install that gets the newest versions of distributions,
// into an environment in CacheDir.
func InstallPython(names ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		venv, err := pythonVenv()
		if err != nil {
			return err
		}
		python := filepath.Join(venv, "bin", "python")
		if !isFile(python) {
			system, err := exec.LookPath("python3")
			if err != nil {
				return errors.New("no python3")
			}
			if err := command(ctx, "", system, "-m", "venv", venv); err != nil {
				return err
			}
		}
		return command(ctx, "", python, append([]string{"-m", "pip", "install", "--quiet", "--upgrade"}, names...)...)
	}
}

// command runs a command in a folder; its output is part of the error.
func command(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return nil
}

// PythonScript is a program of one file. It is a file in CacheDir while it runs,
// because multiprocessing imports it again in the processes that it starts.
type PythonScript struct {
	Name   string // without a suffix, a valid name of a module
	Source string
}

// Measure runs the script; see the function Measure.
func (p PythonScript) Measure(ctx context.Context, args ...string) ([]float64, error) {
	python, err := Python()
	if err != nil {
		return nil, err
	}
	file, err := cached("scripts", p.Name, ".py", p.Source)
	if err != nil {
		return nil, err
	}
	return Measure(ctx, python, append([]string{file}, args...)...)
}
