//go:build unix

package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// fakes makes a machine that has these commands, which are shell scripts, and
// nothing in the cache; it returns the cache folder.
func fakes(t *testing.T, commands map[string]string) (cache string) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range commands {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", home)
	cache, err := CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// expect checks what a Find has returned: a version, or a piece of the error.
func expect(t *testing.T, find func(context.Context) (string, error), version, missing string) {
	t.Helper()
	got, err := find(t.Context())
	switch {
	case missing == "" && (err != nil || got != version):
		t.Errorf("found %q, %v, want %q", got, err, version)
	case missing != "" && (err == nil || !strings.Contains(err.Error(), missing)):
		t.Errorf("found %q, %v, want the error %q", got, err, missing)
	}
}

func TestFindModule(t *testing.T) {
	expect(t, Module("example.com/nosuch"), "", "not linked with example.com/nosuch")
	expect(t, Module("github.com/futures-go/futures/bench"), "(devel)", "")
	var unfit *broken
	if _, err := Module("example.com/nosuch")(t.Context()); !errors.As(err, &unfit) {
		t.Errorf("it is missing, not broken: %v", err)
	}
}

func TestFindProgram(t *testing.T) {
	fakes(t, map[string]string{"good": "echo $1 3.1; echo more", "bad": "echo first >&2; echo cannot >&2; exit 1", "mute": "exit 4"})
	expect(t, Program("good", "version"), "version 3.1", "")
	expect(t, Program("nosuch"), "", "no nosuch")
	expect(t, Program("bad"), "", "bad: cannot")
	expect(t, Program("mute"), "", "mute: exit status 4")
}

func TestFindPython(t *testing.T) {
	fakes(t, nil)
	expect(t, PythonStdlib("multiprocessing"), "", "no python3")
	expect(t, PythonPackage("pebble"), "", "no python3")
	if err := InstallPython("pebble")(t.Context()); err == nil {
		t.Error("installed without python3")
	}

	fakes(t, map[string]string{"python3": `echo "ModuleNotFoundError: No module named '$3'" >&2; exit 1`})
	expect(t, PythonStdlib("multiprocessing"), "", "No module named 'multiprocessing'")
	expect(t, PythonPackage("pebble"), "", "no Python package pebble; -install gets it")

	cache := fakes(t, map[string]string{"python3": "echo 5.1.0"})
	expect(t, PythonPackage("pebble"), "5.1.0", "")
	// The benchmark's own environment comes before the system's.
	if err := writeFile(filepath.Join(cache, "python", "bin", "python"), []byte("#!/bin/sh\necho 5.2.0\n")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(cache, "python", "bin", "python"), 0o755); err != nil {
		t.Fatal(err)
	}
	expect(t, PythonPackage("pebble"), "5.2.0", "")
}

func TestPythonScript(t *testing.T) {
	fakes(t, map[string]string{"python3": `case "$1" in */ask.py) echo "[$2]";; esac`})
	values, err := PythonScript{Name: "ask", Source: "print()"}.Measure(t.Context(), "12.5")
	if err != nil || len(values) != 1 || values[0] != 12.5 {
		t.Errorf("got %v, %v", values, err)
	}
}

func TestFindJava(t *testing.T) {
	program := Java{Class: "Pools", Source: "class Pools {}"}
	version := "echo openjdk 17.0.15 2025-04-15"
	fakes(t, nil)
	expect(t, program.Find, "", "no java")
	fakes(t, map[string]string{"java": version})
	expect(t, program.Find, "", "no JDK")
	fakes(t, map[string]string{"java": version, "javac": "exit 1"})
	expect(t, Java{Class: "Pools", Needs: 21}.Find, "", "needs JDK 21, there is openjdk 17.0.15")

	// What does not compile is not missing.
	fakes(t, map[string]string{"java": version, "javac": "echo cannot find symbol; exit 1"})
	expect(t, program.Find, "", "cannot find symbol")
	var unfit *broken
	if _, err := program.Find(t.Context()); !errors.As(err, &unfit) {
		t.Errorf("got %v", err)
	}

	cache := fakes(t, map[string]string{"java": version, "javac": `: > "${1%.java}.class"`})
	expect(t, program.Find, "openjdk 17.0.15 2025-04-15", "")
	classes, err := filepath.Glob(filepath.Join(cache, "java", "*", "Pools.class"))
	if err != nil || len(classes) != 1 {
		t.Errorf("compiled %v, %v", classes, err)
	}
	// Compiled once.
	if err := os.Remove(filepath.Join(os.Getenv("PATH"), "javac")); err != nil {
		t.Fatal(err)
	}
	if err := program.compile(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFindCrate(t *testing.T) {
	crate := Crate{Name: "pools", Needs: "rayon", Files: fstest.MapFS{
		"Cargo.toml": {Data: []byte("[package]")}, "src/main.rs": {Data: []byte("fn main() {}")},
	}}
	fakes(t, nil)
	expect(t, crate.Find, "", "no cargo")
	if err := crate.Install(t.Context()); err == nil {
		t.Error("built without cargo")
	}
	fakes(t, map[string]string{"cargo": "echo it is broken; exit 1"})
	expect(t, crate.Find, "", "pools is not built; -install does it")
	if err := crate.Install(t.Context()); err == nil || !strings.Contains(err.Error(), "it is broken") {
		t.Errorf("got %v", err)
	}
	cargo := `[ -f src/main.rs ] || exit 1
/bin/mkdir -p target/release
echo '#!/bin/sh
echo "[1, $1]"' > target/release/pools
/bin/chmod +x target/release/pools
echo 'name = "rayon"
version = "1.2.3"
' > Cargo.lock`
	fakes(t, map[string]string{"cargo": cargo})
	if err := crate.Install(t.Context()); err != nil {
		t.Fatal(err)
	}
	expect(t, crate.Find, "rayon 1.2.3", "")
	if values, err := crate.Measure(t.Context(), "5"); err != nil || len(values) != 2 || values[1] != 5 {
		t.Errorf("got %v, %v", values, err)
	}
	// Other files are another program.
	crate.Files = fstest.MapFS{"Cargo.toml": {Data: []byte("[package] # changed")}}
	expect(t, crate.Find, "", "not built")
}

func TestMeasure(t *testing.T) {
	fakes(t, map[string]string{
		"good":  "echo warming up; echo '[1.5, 2]'",
		"lies":  "echo lost 3 tasks >&2; exit 1",
		"talks": "echo 1.5 ns",
	})
	values, err := Measure(t.Context(), "good")
	if err != nil || len(values) != 2 || values[0] != 1.5 || values[1] != 2 {
		t.Errorf("got %v, %v", values, err)
	}
	if _, err := Measure(t.Context(), "lies"); err == nil || !strings.Contains(err.Error(), "exit status 1: lost 3 tasks") {
		t.Errorf("got %v", err)
	}
	if _, err := Measure(t.Context(), "talks"); err == nil || !strings.Contains(err.Error(), `"1.5 ns"`) {
		t.Errorf("got %v", err)
	}
}

// TestInstall: only what is missing and can be got is installed, and a failure is
// told, not fatal.
func TestInstall(t *testing.T) {
	var installed []string
	system := func(name string, missing, failure error) System {
		return System{
			Name: name,
			Find: func(context.Context) (string, error) { return "", missing },
			Install: func(context.Context) error {
				installed = append(installed, name)
				return failure
			},
		}
	}
	absent, offline := errors.New("absent"), errors.New("offline")
	c := Catalog{Groups: []Group{{Systems: []System{
		system("here", nil, nil), system("a", absent, offline), system("b", absent, nil), {Name: "never", Find: Go},
	}}}}
	var told []string
	failures := c.Install(t.Context(), func(text string) { told = append(told, text) })
	if strings.Join(installed, " ") != "a b" || len(told) != 2 {
		t.Errorf("installed %v, told %q", installed, told)
	}
	if len(failures) != 1 || !errors.Is(failures[0], offline) || !strings.HasPrefix(failures[0].Error(), "a: ") {
		t.Errorf("failures: %v", failures)
	}
}
