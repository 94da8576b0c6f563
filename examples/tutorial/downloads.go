package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// A task that waits for something outside costs a goroutine, not a processor. So
// three workers do five downloads in two rounds: the first three at once, and
// each of the others when a worker is free.

// slowServer answers after as many milliseconds as the path says.
func slowServer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ms, err := strconv.Atoi(r.URL.Path[1:])
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(time.Duration(ms) * time.Millisecond) // this is the work
		fmt.Fprintf(w, "a page that took %d ms", ms)
	}))
}

// download is an ordinary function: it knows nothing of futures.
func download(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	return string(page), err
}

var pages = []string{"/120", "/40", "/80", "/20", "/60"}

// submitAll is pool.submit in a list comprehension.
func submitAll(ctx context.Context, pool *gopool.Pool, server string) []*futures.Future[string] {
	var fs []*futures.Future[string]
	for _, page := range pages {
		fs = append(fs, futures.Submit(ctx, pool, func(ctx context.Context) (string, error) {
			return download(ctx, server+page)
		}))
	}
	return fs
}

func waitForAll(ctx context.Context, out io.Writer) error {
	server := slowServer()
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close() // what leaving a with block does

	began := time.Now()
	fs := submitAll(ctx, pool, server.URL)
	fmt.Fprintln(out, "submitted:", len(fs), "futures, the first is", fs[0])
	done, pending, err := futures.Wait(ctx, futures.FirstCompleted, fs...)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "after the first:", len(done), "done,", len(pending), "not")
	done, pending, err = futures.Wait(ctx, futures.AllCompleted, fs...)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "after all:", len(done), "done,", len(pending), "not")
	for i, f := range fs {
		page, err := f.Result(ctx) // does not wait any more
		fmt.Fprintf(out, "%s: %q, error %v\n", pages[i], page, err)
	}
	fmt.Fprintf(out, "320 ms of waiting took %d ms\n", time.Since(began).Milliseconds())
	return nil
}

func asCompleted(ctx context.Context, out io.Writer) error {
	server := slowServer()
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	pool := gopool.New(gopool.Options{Workers: 3})
	defer pool.Close()

	began := time.Now()
	for f := range futures.AsCompleted(ctx, submitAll(ctx, pool, server.URL)...) {
		page, err := f.Result(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "after %3d ms: %s\n", time.Since(began).Milliseconds(), page)
	}
	return nil
}
