package process

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// wantLines is what the role "lines" writes.
func wantLines(stream string, n int) []string {
	all := make([]string, n, n+1)
	for i := range n {
		all[i] = fmt.Sprintf("%s %d", stream, i)
	}
	return append(all, stream+" end")
}

// P2: all that two busy children write arrives, in order, and on the right sink.
func TestOutput(t *testing.T) {
	const n = 5000
	var children sync.WaitGroup
	for range 2 {
		children.Go(func() {
			out, errs := newLines(), newLines()
			spec := as("lines", fmt.Sprint(n))
			spec.Stdout, spec.Stderr = out.sink, errs.sink
			p, err := Start(spec)
			if err != nil {
				t.Error(err)
				return
			}
			<-p.Done()
			for stream, l := range map[string]*lines{"out": out, "err": errs} {
				if got, _ := l.get(); !slices.Equal(got, wantLines(stream, n)) {
					t.Errorf("%s: %d lines, want %d in order", stream, len(got), n+1)
				}
			}
			// What is dropped is kept all the same.
			want := strings.Join(wantLines("err", n), "\n")
			if got := string(p.StderrTail()); got != want[len(want)-tailSize:] {
				t.Errorf("tail of %d bytes is not the end of stderr:\n%s", len(got), got)
			}
		})
	}
	children.Wait()
}

func TestOutputWithoutSinks(t *testing.T) {
	p := launch(t, as("lines", "3"))
	if exit := p.Exit(); exit.Code != 0 {
		t.Error(exit)
	}
	if got, want := string(p.StderrTail()), strings.Join(wantLines("err", 3), "\n"); got != want {
		t.Errorf("tail %q, want %q", got, want)
	}
}

func TestLongLineIsCut(t *testing.T) {
	l := newLines()
	spec := as("long-line", fmt.Sprint(2*maxLine+5))
	spec.Stdout = l.sink
	<-launch(t, spec).Done()
	got, _ := l.get()
	var sizes []int
	for _, line := range got {
		sizes = append(sizes, len(line))
	}
	if !slices.Equal(sizes, []int{maxLine, maxLine, 5, len("short")}) {
		t.Errorf("pieces of %d bytes", sizes)
	}
}

// P2: a sink that is slower than the child's death loses nothing.
func TestSlowSink(t *testing.T) {
	const n = 3000 // more than one read takes, less than a pipe holds
	release := make(chan struct{})
	errs := newLines()
	spec := as("lines", fmt.Sprint(n))
	spec.Stdout = func(int, []byte) {}
	spec.Stderr = func(pid int, line []byte) { <-release; errs.sink(pid, line) }
	p := launch(t, spec)
	<-p.Dead()
	<-time.After(2 * afterDeath) // the time that is not to matter
	select {
	case <-p.Done():
		t.Error("done before its output was taken")
	default:
	}
	close(release)
	<-p.Done()
	if got, _ := errs.get(); !slices.Equal(got, wantLines("err", n)) {
		t.Errorf("%d lines of %d", len(got), n+1)
	}
}

// writes keeps what each Write has written.
type writes struct{ all []string }

func (w *writes) Write(p []byte) (int, error) {
	w.all = append(w.all, string(p))
	return len(p), nil
}

func TestPrefixWriter(t *testing.T) {
	const n = 200
	var w writes // guarded by the sink
	sink := PrefixWriter(&w)
	var want []string
	var children []*Process
	for range 2 {
		spec := as("lines", fmt.Sprint(n))
		spec.Stdout = sink
		p := launch(t, spec)
		for _, line := range wantLines("out", n) {
			want = append(want, fmt.Sprintf("[%d] %s\n", p.PID(), line))
		}
		children = append(children, p)
	}
	for _, p := range children {
		<-p.Done()
	}
	slices.Sort(want)
	slices.Sort(w.all)
	if !slices.Equal(w.all, want) {
		t.Errorf("%d writes, want %d", len(w.all), len(want))
	}
}

// The lines do not depend on how they come out of the pipe.
func TestLinesInAnyPieces(t *testing.T) {
	const text = "a\n\nbc\ndef\n\n\nlast"
	for size := 1; size <= len(text); size++ {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		l := newLines()
		o := &output{r: r, sink: l.sink}
		go func() {
			defer w.Close()
			for piece := range slices.Chunk([]byte(text), size) {
				w.Write(piece)
			}
		}()
		o.run()
		if got, _ := l.get(); strings.Join(got, "\n") != text {
			t.Errorf("pieces of %d: %q", size, got)
		}
	}
}

func TestRecord(t *testing.T) {
	var all []byte
	var r record
	for i := 0; len(all) < dumpSize+3*tailSize; i++ {
		if i == 3 {
			r.startDump()
			all = all[:0]
		}
		piece := bytes.Repeat([]byte{byte(i)}, i%11*1000)
		r.write(piece)
		all = append(all, piece...)
		if i < 3 {
			continue
		}
		tail, dump, _ := r.last()
		if !bytes.Equal(tail, all[max(0, len(all)-tailSize):]) && len(all) >= tailSize {
			t.Fatalf("after %d bytes: tail is not the last %d", len(all), tailSize)
		}
		if !bytes.Equal(dump, all[:min(len(all), dumpSize)]) {
			t.Fatalf("after %d bytes: dump has %d", len(all), len(dump))
		}
	}
}
