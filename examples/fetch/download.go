package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// downloads is what to do with each URL.
type downloads struct {
	dir              string
	workers, retries int
	timeout, backoff time.Duration
}

// all downloads the list and returns what became of it.
func (d *downloads) all(ctx context.Context, list []target, progress *progress) *summary {
	pool := gopool.New(gopool.Options{Workers: d.workers, Queue: max(1, len(list))})
	defer pool.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: d.workers}}
	defer client.CloseIdleConnections()

	s := &summary{began: time.Now()}
	urls := make(map[*futures.Future[int64]]string, len(list))
	fs := make([]*futures.Future[int64], len(list))
	for i, target := range list {
		fs[i] = futures.Submit(ctx, pool, func(ctx context.Context) (int64, error) {
			return download(ctx, client, target.url, filepath.Join(d.dir, target.file))
		}, futures.Timeout(d.timeout), futures.Label("url", target.url), futures.Retry(futures.RetryPolicy{
			Max: d.retries, Backoff: d.backoff, Jitter: 0.2, If: mayPass,
		}))
		urls[fs[i]] = target.url
	}
	// Without ctx: once it has ended the rest is cancelled, and told as such.
	for f := range futures.AsCompleted(context.WithoutCancel(ctx), fs...) {
		n, err, _ := f.TryResult()
		s.add(urls[f], n, err)
		progress.show(s, urls[f], err)
	}
	progress.end()
	s.took = time.Since(s.began)
	return s
}

// statusError is an answer other than 200.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("%d %s", e.code, http.StatusText(e.code)) }

// mayPass says which failures are worth another attempt: those of the server or
// of the way to it, not what the server says about the URL.
func mayPass(err error) bool {
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.code >= 500 || status.code == http.StatusTooManyRequests || status.code == http.StatusRequestTimeout
	}
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, futures.ErrTimeout) || errors.Is(err, io.EOF)
}

// download writes the contents of a URL to a file, which exists only if all of
// it arrived.
func download(ctx context.Context, client *http.Client, url, file string) (n int64, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, &statusError{response.StatusCode}
	}
	part, err := os.CreateTemp(filepath.Dir(file), ".fetch-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			_, _ = part.Close(), os.Remove(part.Name())
		}
	}()
	if n, err = io.Copy(part, response.Body); err != nil {
		return 0, err
	}
	if err = part.Close(); err != nil {
		return 0, err
	}
	return n, os.Rename(part.Name(), file)
}
