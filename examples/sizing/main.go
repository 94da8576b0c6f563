// Sizing measures what docs/guide/choosing.md says about the number of workers:
// tasks that wait, tasks that compute, and tasks that do nothing at all, beside
// the plain loop, the go statement and hand-written workers.
//
//	go run ./examples/sizing [-quick]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "fewer and shorter runs, to see that it works")
	flag.Parse()
	m := &measurement{runs: 5, scale: 1}
	if *quick {
		m = &measurement{runs: 2, scale: 20}
	}
	fmt.Printf("%s %s/%s, GOMAXPROCS %d, median of %d runs [least .. most]\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0), m.runs)
	ctx := context.Background()
	for _, part := range []func(context.Context, *tabwriter.Writer) error{m.waiting, m.computing, m.nothing, m.memory} {
		table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
		if err := part(ctx, table); err != nil {
			fmt.Fprintln(os.Stderr, "sizing:", err)
			os.Exit(1)
		}
		if err := table.Flush(); err != nil {
			fmt.Fprintln(os.Stderr, "sizing:", err)
			os.Exit(1)
		}
		fmt.Println()
	}
}

// measurement says how much to measure.
type measurement struct {
	runs  int
	scale int // divides the amount of work
}

// spread is what several runs of the same thing gave.
type spread struct{ median, least, most float64 }

// repeat runs fn a number of times.
func (m *measurement) repeat(fn func() (float64, error)) (spread, error) {
	var values []float64
	for range m.runs {
		v, err := fn()
		if err != nil {
			return spread{}, err
		}
		values = append(values, v)
	}
	slices.Sort(values)
	return spread{values[len(values)/2], values[0], values[len(values)-1]}, nil
}

func (s spread) String() string {
	return fmt.Sprintf("%.4g [%.4g .. %.4g]", s.median, s.least, s.most)
}

// seconds times fn.
func seconds(fn func() error) (float64, error) {
	began := time.Now()
	err := fn()
	return time.Since(began).Seconds(), err
}
