// Tutorial is the programs that people learn concurrent.futures with, one after
// the other, each printing what it does. README.md walks through the output.
//
//	go run ./examples/tutorial [-part NAME]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/futures-go/futures/procpool"
)

// parts in the order in which they are read.
var parts = []struct {
	name, title string
	run         func(ctx context.Context, out io.Writer) error
}{
	{"wait", "Five downloads on three workers: wait for all", waitForAll},
	{"completed", "The same five, as they are completed", asCompleted},
	{"counter", "Ten tasks count to a thousand, with a lock and without", counter},
	{"sums", "Sums, and errors where the results are", sums},
	{"map", "A lazy map over numbers without end", lazyMap},
	{"stop", "Cancel, time out, try again", stop},
	{"processes", "Sums in processes, and what happens when one dies", processes},
	{"queue", "Five processes put what they find into one queue", queue},
	{"shared", "A counter in shared memory, with a lock and without", sharedCounter},
	{"pipe", "A pipe to a process", pipe},
}

func main() {
	procpool.ServeIfWorker() // a worker process serves here and never returns
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "tutorial:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flags := flag.NewFlagSet("tutorial", flag.ContinueOnError)
	only := flags.String("part", "", "run one part: "+strings.Join(names, ", "))
	if err := flags.Parse(args); err != nil {
		return err
	}
	found := false
	for i, p := range parts {
		if *only != "" && *only != p.name {
			continue
		}
		found = true
		fmt.Fprintf(out, "--- %d. %s\n", i+1, p.title)
		if err := p.run(context.Background(), out); err != nil {
			return fmt.Errorf("part %s: %w", p.name, err)
		}
		fmt.Fprintln(out)
	}
	if !found {
		return fmt.Errorf("-part %s: there is %s", *only, strings.Join(names, ", "))
	}
	return nil
}
