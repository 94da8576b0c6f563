package harness

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CacheDir returns the folder for everything that is installed or built for the
// benchmark, and makes it.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "futures-bench")
	return dir, os.MkdirAll(dir, 0o755)
}

// cached puts a text into a file of its own in the cache, unless it is there, and
// returns the path: <kind>/<hash of the text>/<name><suffix>.
func cached(kind, name, suffix, text string) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	file := filepath.Join(cache, kind, fmt.Sprintf("%x", sum[:6]), name+suffix)
	if have, err := os.ReadFile(file); err == nil && string(have) == text {
		return file, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return file, writeFile(file, []byte(text))
}

// writeFile writes a file and the folders above it. Whoever reads it meanwhile sees
// all of it or nothing.
func writeFile(file string, text []byte) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	new, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = new.Write(text)
	err = errors.Join(err, new.Close())
	if err == nil {
		err = os.Rename(new.Name(), file)
	}
	if err != nil {
		_ = os.Remove(new.Name())
	}
	return err
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
