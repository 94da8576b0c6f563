package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A sample is what became of one run.
type sample struct {
	answer
	foreign float64 // cores that others used meanwhile
	known   bool    // whether foreign could be measured
}

// runChild runs a cell in a process of its own, which is this program, started
// again.
func runChild(ctx context.Context, c cell) sample {
	text, err := json.Marshal(c)
	if err != nil {
		return sample{answer: answer{Error: err.Error()}}
	}
	program, err := os.Executable()
	if err != nil {
		return sample{answer: answer{Error: err.Error()}}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	var out bytes.Buffer
	var complaints tail
	cmd := exec.CommandContext(ctx, program)
	// A program with the race detector sleeps for a second before it exits, unless told.
	cmd.Env = append([]string{"GORACE=atexit_sleep_ms=0"}, os.Environ()...)
	cmd.Env = append(cmd.Env, cellVariable+"="+string(text))
	cmd.Stdout, cmd.Stderr = &out, &complaints
	cmd.WaitDelay = time.Second
	ownGroup(cmd)

	watch := watchCPU()
	err = startPlaced(cmd, c.Params.Placement)
	if err == nil {
		err = cmd.Wait()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // what it left behind holds its output; that ends with reap
	}
	reap()
	s := sample{}
	s.foreign, s.known = watch.foreign()

	var unplaceable *declined
	switch {
	case errors.As(err, &unplaceable):
		s.Declined = unplaceable.reason
	case ctx.Err() != nil:
		s.Error = fmt.Sprintf("no answer within %v", c.Limit)
	case err != nil:
		s.Error = err.Error()
	default:
		if err := json.Unmarshal(out.Bytes(), &s.answer); err != nil {
			s.Error = fmt.Sprintf("an answer that is none: %v", err)
		}
	}
	if s.Error != "" {
		if text := complaints.String(); text != "" {
			s.Error += ": " + text
		}
	}
	return s
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.kept)) }
