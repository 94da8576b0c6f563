package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/gopool"
)

// executors are the places where the work can run.
var executors = map[string]func(workers int) (futures.Executor, error){
	"goroutines": func(workers int) (futures.Executor, error) {
		return gopool.New(gopool.Options{Workers: workers}), nil
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
