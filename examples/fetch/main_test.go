package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// server is slow, fails at times and drops connections.
func server(t *testing.T) (base string, attempts map[string]*atomic.Int32) {
	attempts = map[string]*atomic.Int32{}
	for _, path := range []string{"/good", "/flaky", "/dropped", "/short", "/missing", "/slow", "/moved", "/down"} {
		attempts[path] = new(atomic.Int32)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := attempts[r.URL.Path].Add(1)
		switch r.URL.Path {
		case "/flaky":
			if n < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
		case "/dropped":
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
		case "/short":
			w.Header().Set("Content-Length", "1000") // and then writes less
			if n > 1 {
				w.Header().Set("Content-Length", "5")
			}
		case "/missing":
			http.NotFound(w, r)
			return
		case "/slow":
			if n == 1 {
				<-r.Context().Done() // until the client has had enough
				return
			}
		case "/moved":
			http.Redirect(w, r, "/good", http.StatusFound)
			return
		case "/down":
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		fmt.Fprint(w, "12345")
	}))
	t.Cleanup(s.Close)
	return s.URL, attempts
}

func TestFetch(t *testing.T) {
	base, attempts := server(t)
	dir := t.TempDir()
	var list strings.Builder
	fmt.Fprintln(&list, "# what the server has")
	for _, path := range []string{"/good", "/flaky", "/dropped", "/short", "/missing", "/slow", "/moved", "/down", "/good"} {
		fmt.Fprintln(&list, base+path)
	}
	var out, progress strings.Builder
	err := run(t.Context(), []string{"-dir", dir, "-workers", "3", "-timeout", "300ms", "-backoff", "1ms"}, strings.NewReader(list.String()), &out, &progress)
	if err == nil || err.Error() != "2 of 9 failed" {
		t.Errorf("got %v", err)
	}
	for _, want := range []string{"/missing: 404 Not Found", "/down: 502 Bad Gateway", "7 ok, 2 failed, 0 not done"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, out.String())
		}
	}
	if !strings.Contains(progress.String(), "/missing: 404") || strings.Contains(progress.String(), "\r") {
		t.Errorf("progress without a terminal:\n%q", progress.String())
	}
	for path, want := range map[string]int32{"/flaky": 3, "/dropped": 2, "/short": 2, "/missing": 1, "/slow": 2, "/down": 3} {
		if n := attempts[path].Load(); n != want {
			t.Errorf("%s: %d attempts, want %d", path, n, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 7 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); string(text) != "12345" {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
	if parts, _ := filepath.Glob(filepath.Join(dir, ".fetch-*")); len(parts) != 0 {
		t.Errorf("left behind: %v", parts)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	dir := t.TempDir()
	err := run(ctx, []string{"-dir", dir, "-workers", "1"}, strings.NewReader(s.URL+"/a\n"+s.URL+"/b\n"), &strings.Builder{}, &strings.Builder{})
	if err == nil || err.Error() != "interrupted with 2 of 2 missing" {
		t.Errorf("got %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestList(t *testing.T) {
	list, err := readList(strings.NewReader("http://h/a/x.html\n\n # no\nhttp://h/b/x.html\nhttp://h\nhttp://h/../../etc/passwd\nhttp://h/%2e%2e%2fup?q=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"h-x.html", "h-x.html.2", "h-index", "h-passwd", "h-up"}
	for i, target := range list {
		if target.file != want[i] {
			t.Errorf("%s: file %q, want %q", target.url, target.file, want[i])
		}
	}
	for text, input := range map[string]string{"line 2": "http://h\nftp://h/x\n", "no http": "nonsense"} {
		if _, err := readList(strings.NewReader(input)); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", input, err)
		}
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out, true, 2)
	s := new(summary)
	s.add("u", 2_000_000, nil)
	p.show(s, "u", nil)
	p.end()
	if out.String() != "\r\x1b[K1 of 2, 0 failed, 2.00 MB\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestBadFlags(t *testing.T) {
	for text, args := range map[string][]string{
		"usage: fetch":            {"-workers", "0"},
		"no such file":            {filepath.Join(t.TempDir(), "nowhere")},
		"usage: fetch [-dir DIR]": {"a", "b"},
	} {
		if err := run(t.Context(), args, strings.NewReader(""), &strings.Builder{}, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
