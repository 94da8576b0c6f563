package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/cluster"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/procpool"
)

// executors are the places where the work can run.
var executors = map[string]func(ctx context.Context, workers int, url string) (futures.Executor, error){
	"goroutines": func(_ context.Context, workers int, _ string) (futures.Executor, error) {
		return gopool.New(gopool.Options{Workers: workers}), nil
	},
	"processes": func(_ context.Context, workers int, _ string) (futures.Executor, error) {
		return procpool.New(procpool.Options{Workers: workers})
	},
	// Without a URL the server is in this program too. With one, the files must be where the
	// other workers find them by the same names.
	"cluster": func(ctx context.Context, workers int, url string) (futures.Executor, error) {
		return cluster.Connect(ctx, cluster.Options{Connection: at(url), Workers: workers})
	},
}

func at(url string) cluster.Connection {
	return cluster.Connection{URL: url, Namespace: "squash"}
}

func open(ctx context.Context, on string, workers int, url string) (futures.Executor, error) {
	if url != "" && on != "cluster" {
		return nil, fmt.Errorf("-url is for -on cluster")
	}
	if open := executors[on]; open != nil {
		return open(ctx, workers, url)
	}
	return nil, fmt.Errorf("-on %s: there is %s", on, places())
}

func places() string {
	var names []string
	for name := range executors {
		names = append(names, name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
