package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/internal/leakcheck"
	"github.com/futures-go/futures/procpool"
)

// commandVariable makes a process of the test binary the command, with arguments.
const commandVariable = "BENCH_TEST_COMMAND"

var heavy = flag.Bool("heavy", false, "ask also the peers that take seconds to start, and what takes seconds to set up")

func TestMain(m *testing.M) {
	procpool.ServeIfWorker()
	all := catalog()
	all.ServeIfChild()
	if args := os.Getenv(commandVariable); args != "" {
		os.Exit(run(all, strings.Fields(args), os.Stdout, os.Stderr))
	}
	leakcheck.Main(m)
}

// TestCatalog: every question has answers and a place in -quick, and every name is
// one that -only takes.
func TestCatalog(t *testing.T) {
	if err := catalog().Check(); err != nil {
		t.Error(err)
	}
}

// TestVersions: the peers that are linked with this program have versions.
func TestVersions(t *testing.T) {
	for _, path := range []string{"github.com/panjf2000/ants/v2", "golang.org/x/sync"} {
		version, err := harness.Module(path)(t.Context())
		if err != nil || !strings.HasPrefix(version, "v") {
			t.Errorf("%s has the version %q, %v", path, version, err)
		}
	}
}

// TestEveryAdapter asks every system every question once, at the sizes of -quick and
// for no longer than a run must. A peer that is not on this machine is skipped; one
// that is here and fails, or whose work is wrong, fails the test.
// With -heavy, those that -quick leaves out are asked too.
func TestEveryAdapter(t *testing.T) {
	all := catalog()
	if *heavy {
		for _, g := range all.Groups {
			for i := range g.Systems {
				g.Systems[i].Heavy = false
			}
			for i := range g.Questions {
				g.Questions[i].Heavy = false
			}
		}
	}
	all = all.Quick()
	runner := &harness.Runner{
		Catalog: all,
		Options: harness.Options{Repetitions: 1, Attempts: 1, Time: time.Millisecond, Limit: time.Minute, Quick: true},
	}
	type key struct{ group, question, system string }
	results := make(map[key][]harness.Result)
	runner.Emit = func(_ harness.Question, some []harness.Result) {
		for _, r := range some {
			k := key{r.Group, r.Question, r.System}
			results[k] = append(results[k], r)
		}
	}
	if _, err := runner.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, g := range all.Groups {
		for _, q := range g.Questions {
			for _, s := range g.Systems {
				if s.Answers[q.Name] == nil {
					continue
				}
				t.Run(g.Name+"/"+q.Name+"/"+s.Name, func(t *testing.T) {
					rows := results[key{g.Name, q.Name, s.Name}]
					if want := len(q.Cases) * len(q.Metrics); len(rows) != want {
						t.Errorf("%d results, want %d", len(rows), want)
					}
					measured := 0
					for _, r := range rows {
						switch r.Status {
						case harness.Failed:
							t.Errorf("%s %s: %s", r.Case, r.Metric, r.Reason)
						case harness.Missing:
							t.Skipf("NOT TESTED, this peer is not here: %s", r.Reason)
						case harness.Measured:
							measured++
						}
					}
					if measured == 0 && !t.Failed() {
						t.Errorf("it answers, and declines all cases of -quick: %s", rows[0].Reason)
					}
				})
			}
		}
	}
}

// TestCommandLine: what the command says to what it is given.
func TestCommandLine(t *testing.T) {
	for _, test := range []struct {
		args   string
		code   int
		out    string
		errors string
	}{
		{"-only nosuch", 2, "", `no question, system or group "nosuch"; there are`},
		{"-only nosuch", 2, "", "question empty-task"},
		{"-only nosuch", 2, "", "system   errgroup"},
		{"-only map-item,channel-workers", 2, "", "none of these systems is asked"},
		{"-nosuch", 2, "", "flag provided but not defined"},
		{"empty-task", 2, "", `unexpected argument "empty-task"`},
		{"-help", 0, "", "-quick"},
		{"-list", 0, "question empty-task", ""},
		{"-quick -only garbage,errgroup -json " + filepath.Join("no", "such", "folder"), 1, "", "folder"},
	} {
		var out, errors bytes.Buffer
		if code := run(catalog(), strings.Fields(test.args), &out, &errors); code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.args, code, test.code)
		}
		if !strings.Contains(out.String(), test.out) || !strings.Contains(errors.String(), test.errors) {
			t.Errorf("%s: printed %q and %q", test.args, out.String(), errors.String())
		}
	}
}

// TestReports: one run gives tables, lines of JSON and a page.
func TestReports(t *testing.T) {
	lines, page := filepath.Join(t.TempDir(), "out.json"), filepath.Join(t.TempDir(), "out.html")
	var out, errors bytes.Buffer
	code := run(catalog(), []string{"-quick", "-only", "by-workers,channel-workers", "-json", lines, "-html", page}, &out, &errors)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, errors.String())
	}
	if !strings.Contains(out.String(), "channel-workers") || errors.Len() > 0 {
		t.Errorf("printed %q and %q", out.String(), errors.String())
	}
	text, err := os.ReadFile(lines)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		var r harness.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Question != "by-workers" || r.Value <= 0 || r.Ratio <= 0 || r.X == nil {
			t.Errorf("%s: %+v, %v", line, r, err)
		}
		n++
	}
	if n != 4 { // two systems, two cases
		t.Errorf("%d lines", n)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "<svg") {
		t.Errorf("the page: %v, %d bytes", err, len(text))
	}
}

// TestFailure: a system that fails is in the table and in the exit code.
func TestFailure(t *testing.T) {
	c := catalog()
	c.Groups[0].Systems[0].Find = func(context.Context) (string, error) {
		return "v1", harness.Broken(io.ErrUnexpectedEOF)
	}
	var out, errors bytes.Buffer
	if code := run(c, []string{"-quick", "-only", "garbage,channel-workers"}, &out, &errors); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(out.String(), "FAILED: unexpected EOF") || !strings.Contains(errors.String(), "FAILED") {
		t.Errorf("printed %q and %q", out.String(), errors.String())
	}
}

// TestInterrupt: after a Ctrl-C the command prints what it has and ends.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("processes cannot be sent an interrupt there")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	lines := filepath.Join(t.TempDir(), "out.json")
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), commandVariable+"=-only garbage,by-workers,channel-workers -repetitions 1000 -json "+lines)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // if a check below has failed
	}()
	printed := bufio.NewReader(out)
	if _, err := printed.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	// The machine's facts are out, so the signal is caught and the questions begin.
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(printed)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(errors.String(), "ended early") {
		t.Errorf("it says %q, after %q", errors.String(), rest)
	}
	if _, err := os.Stat(lines); err != nil {
		t.Error(err)
	}
}
