package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/bench/internal/report"
)

// settings are the flags.
type settings struct {
	only        string
	quick       bool
	repetitions int
	json, html  string
	install     bool
	list        bool
}

// run is the command; it returns the exit code: 1 if something failed or was wrong,
// 2 if the command line was.
func run(all harness.Catalog, args []string, out, progress io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(progress)
	flags.StringVar(&s.only, "only", "", "ask only these `questions` or systems or groups, separated by commas; what is ours stays as the measure")
	flags.BoolVar(&s.quick, "quick", false, "one short look at a part of the cases, under a minute in all")
	flags.IntVar(&s.repetitions, "repetitions", 0, "how often to ask each; the default is 5, or 1 with -quick")
	flags.StringVar(&s.json, "json", "", "write the results to this `file`, one line of JSON each")
	flags.StringVar(&s.html, "html", "", "write a page with tables and plots to this `file`")
	flags.BoolVar(&s.install, "install", false, "first get the peers that are missing and can be got, into the user's cache folder")
	flags.BoolVar(&s.list, "list", false, "list what -only takes, and end")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	complain := func(err error) { fmt.Fprintln(progress, "bench:", err) }
	if flags.NArg() > 0 {
		complain(fmt.Errorf("unexpected argument %q", flags.Arg(0)))
		return 2
	}
	if err := all.Check(); err != nil {
		complain(err)
		return 1
	}
	if s.list {
		fmt.Fprint(out, all.Names())
		return 0
	}
	part, err := all.Only(strings.FieldsFunc(s.only, func(r rune) bool { return r == ',' || r == ' ' }))
	if err != nil {
		complain(err)
		return 2
	}
	if err := s.measure(part, out, progress); err != nil {
		complain(err)
		return 1
	}
	return 0
}

// measure asks everything in the catalog and reports it.
func (s settings) measure(c harness.Catalog, out, progress io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills
	runner := &harness.Runner{Catalog: c, Options: harness.Thorough}
	if s.quick {
		runner.Catalog, runner.Options = c.Quick(), harness.Quick
	}
	if s.repetitions > 0 {
		runner.Options.Repetitions = s.repetitions
	}
	show := newProgress(progress)
	if s.install {
		for _, err := range c.Install(ctx, show.line) {
			show.line(err.Error())
		}
	}

	sinks, err := s.open()
	if err != nil {
		return err
	}
	machine := report.ThisMachine()
	fmt.Fprint(out, machine)
	var failures []error
	runner.Progress = show.step
	runner.Emit = func(q harness.Question, results []harness.Result) {
		show.clear()
		failures = append(failures, report.Tables(out, q, results), sinks.json(results))
	}
	results, err := runner.Run(ctx)
	show.clear()
	if err != nil {
		failures = append(failures, fmt.Errorf("ended early: %w", err))
	}
	failures = append(failures, sinks.html(report.Page{
		Machine: machine, Options: runner.Options, Catalog: runner.Catalog, Results: results,
		Command: strings.Join(append([]string{"go run ./bench"}, os.Args[1:]...), " "),
	}), sinks.close())
	failed := 0
	for _, r := range results {
		if r.Status == harness.Failed {
			failed++
		}
	}
	if failed > 0 {
		failures = append(failures, fmt.Errorf("%d results are FAILED", failed))
	}
	return errors.Join(failures...)
}

// progress tells a terminal what is being done, on one line; elsewhere it is
// silent but for whole lines.
type progress struct {
	w        io.Writer
	terminal bool
}

func newProgress(w io.Writer) progress {
	f, is := w.(*os.File)
	return progress{w, is && term.IsTerminal(int(f.Fd()))}
}

func (p progress) step(done, total int, doing string) {
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%d/%d %s", done, total, doing)
	}
}

func (p progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p progress) line(text string) {
	p.clear()
	fmt.Fprintln(p.w, text)
}
