package processes

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/futures-go/futures/bench/internal/harness"
	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// local is a peer that runs the tasks in this process, or does not.
type local struct {
	answer func(n int64) (int64, error)
}

func (l local) number(_ string, n int64) (int64, error) { return l.answer(n + 1) }
func (l local) bytes(_ string, b []byte) (int64, error) { return l.answer(int64(len(b))) }
func (l local) startNap(n int64) future                 { return made{l, n - 1} }
func (l local) start(n int64) future                    { return made{l, n} }
func (l local) close() error                            { return nil }
func (l local) echo(b []byte) ([]byte, error)           { return l.some(b), l.failure() }
func (l local) mapAll(numbers []int64) ([]int64, error) { return slices.Clone(numbers), l.failure() }
func (l local) failure() error                          { _, err := l.answer(0); return err }
func (l local) some(b []byte) []byte {
	n, _ := l.answer(int64(len(b)))
	return b[:min(max(n, 0), int64(len(b)))]
}

type made struct {
	local
	n int64
}

func (m made) Result(context.Context) (int64, error) { return m.answer(m.n + 1) }

// Cancel says that the task will not run, and it has.
func (made) Cancel() bool { return true }

// TestWrongWork: a peer that returns something else, or an error, fails at every
// question.
func TestWrongWork(t *testing.T) {
	lost := errors.New("lost its nerve")
	for name, l := range map[string]local{
		"returns less": {func(n int64) (int64, error) { return n - 1, nil }},
		"fails":        {func(n int64) (int64, error) { return n, lost }},
	} {
		// The first tasks are right, so that what fails is what is measured.
		for _, right := range []int64{0, 64} {
			a := adapter{pool: true, open: func(int, int) (workers, error) {
				var calls atomic.Int64
				return local{func(n int64) (int64, error) {
					if calls.Add(1) <= right {
						return n, nil
					}
					return l.answer(n)
				}}, nil
			}}
			system := a.answers(harness.System{})
			for question, run := range system.Answers {
				if question == notice || question == recovery {
					continue // they wait for a process
				}
				if right > 0 && question == coldStart {
					continue // it has one task
				}
				p := harness.Params{Workers: 2, Submitters: 2, InFlight: 8, Tasks: 1000, Payload: 100, Time: time.Millisecond, Quick: true}
				if values, err := run(t.Context(), p); err == nil {
					t.Errorf("%s, after %d that were right, of a peer that %s: measured %v", question, right, name, values)
				}
			}
		}
	}
}

// TestQuestions: every system answers or declines every question, and everybody in
// Python knows the names.
func TestQuestions(t *testing.T) {
	g := Group()
	var names []string
	for _, q := range g.Questions {
		names = append(names, q.Name)
	}
	if !slices.Equal(names, allQuestions) {
		t.Errorf("questions are %q, and allQuestions %q", names, allQuestions)
	}
	for _, s := range g.Systems {
		for _, name := range names {
			if s.Answers[name] == nil && s.Declines[name] == "" {
				t.Errorf("%s neither answers nor declines %s", s.Name, name)
			}
		}
	}
}

// TestFleet: the processes take turns.
func TestFleet(t *testing.T) {
	var calls [3]atomic.Int64
	started := 0
	w, err := newFleet(len(calls), func() (workers, error) {
		mine := &calls[started]
		started++
		return local{func(n int64) (int64, error) { mine.Add(1); return n, nil }}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := oneCall(w, int64(i)); err != nil {
			t.Error(err)
		}
	}
	for i := range calls {
		if n := calls[i].Load(); n != 10 {
			t.Errorf("process %d has had %d calls of 30", i, n)
		}
	}
}

// TestFrames: what a frame holds comes out of it, and what is cut off does not.
func TestFrames(t *testing.T) {
	for _, b := range [][]byte{nil, {1}, appendNumber(nil, -5), make([]byte, 2*pipeRoom)} {
		var pipe bytes.Buffer
		w := bufio.NewWriterSize(&pipe, pipeRoom)
		if err := errors.Join(writeFrame(w, 3, b), w.Flush()); err != nil {
			t.Fatal(err)
		}
		whole := pipe.Bytes()
		task, got, err := readFrame(bufio.NewReader(bytes.NewReader(whole)), nil)
		if task != 3 || !bytes.Equal(got, b) || err != nil {
			t.Errorf("%d bytes became %d of task %d, %v", len(b), len(got), task, err)
		}
		if _, _, err := readFrame(bufio.NewReader(bytes.NewReader(whole[:len(whole)-1])), nil); err == nil {
			t.Errorf("%d bytes could be read of which one is missing", len(b))
		}
	}
	if n := numberOf(appendNumber(nil, -5)); n != -5 {
		t.Errorf("-5 became %d", n)
	}
}
