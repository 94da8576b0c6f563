package repotest

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// A tree holds the files of the repository, or of a sample. Paths are relative to
// its root and have forward slashes.
type tree struct {
	text map[string]string // contents by path
	mode map[string]fs.FileMode

	parsed []goFile // set by goFiles
	broken []string // what goFiles could not parse
}

// readTree reads all files but those in hidden folders, of which it reads .ci and
// .github. A file that disappears meanwhile does not count.
func readTree(fsys fs.FS) (*tree, error) {
	t := &tree{text: make(map[string]string), mode: make(map[string]fs.FileMode)}
	err := fs.WalkDir(fsys, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return ignoreGone(err)
		case entry.IsDir():
			if name := entry.Name(); strings.HasPrefix(name, ".") && !slices.Contains([]string{".", ".ci", ".github"}, name) {
				return fs.SkipDir
			}
			return nil
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := fs.ReadFile(fsys, path)
		if err != nil {
			return ignoreGone(err)
		}
		info, err := entry.Info()
		if err != nil {
			return ignoreGone(err)
		}
		t.text[path], t.mode[path] = string(text), info.Mode()
		return nil
	})
	return t, err
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// findRoot returns the folder of go.work, at or above the working directory.
func findRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder, nil
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("no go.work at or above the working directory")
		}
		folder = filepath.Dir(folder)
	}
}

// names lists the files in order.
func (t *tree) names() []string { return slices.Sorted(maps.Keys(t.text)) }

// isFile reports whether a path names a file.
func (t *tree) isFile(path string) bool {
	_, is := t.text[path]
	return is
}

// has reports whether a path names a file or a folder.
func (t *tree) has(path string) bool {
	if t.isFile(path) || path == "." {
		return true
	}
	for name := range t.text {
		if strings.HasPrefix(name, path+"/") {
			return true
		}
	}
	return false
}

// isText reports whether a file is text.
func (t *tree) isText(name string) bool {
	return utf8.ValidString(t.text[name]) && !strings.Contains(t.text[name], "\x00")
}

// lines returns a file's lines, without what ends them.
func (t *tree) lines(name string) []string {
	text := strings.ReplaceAll(t.text[name], "\r\n", "\n")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// inTestdata reports whether a file is below a folder testdata.
func inTestdata(name string) bool { return strings.Contains("/"+name, "/testdata/") }

// at begins a finding with its place, lines counted from 1.
func at(file string, line int, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
}
