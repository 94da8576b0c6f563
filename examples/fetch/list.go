package main

import (
	"bufio"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
)

// target is a URL and the name of the file that it is written to.
type target struct{ url, file string }

// readList reads the URLs and gives each a file name of its own.
func readList(in io.Reader) ([]target, error) {
	var list []target
	taken := make(map[string]int)
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		u, err := url.Parse(line)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("line %d: %q is no http or https URL", n, line)
		}
		list = append(list, target{line, unique(taken, fileName(u))})
	}
	return list, lines.Err()
}

// fileName makes a name of the host and the last part of the path, of characters
// that no file system objects to and that lead nowhere else.
func fileName(u *url.URL) string {
	last := path.Base(path.Clean("/" + u.Path))
	if last == "/" {
		last = "index"
	}
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, u.Hostname()+"-"+last)
	return name[:min(len(name), 200)]
}

// unique numbers names that were taken before.
func unique(taken map[string]int, name string) string {
	key := strings.ToLower(name)
	taken[key]++
	if n := taken[key]; n > 1 {
		return unique(taken, fmt.Sprintf("%s.%d", name, n))
	}
	return name
}
