package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
	"github.com/futures-go/futures/procpool"
)

// executors are the places where the work can run.
var executors = map[string]func(workers int) (futures.Executor, error){
	"goroutines": func(workers int) (futures.Executor, error) {
		return gopool.New(gopool.Options{Workers: workers}), nil
	},
	"processes": func(workers int) (futures.Executor, error) {
		return procpool.New(procpool.Options{Workers: workers})
	},
}

func open(on string, workers int) (futures.Executor, error) {
	if open := executors[on]; open != nil {
		return open(workers)
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
