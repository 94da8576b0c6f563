package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// The tasks, by their names.
const (
	taskEcho  = "echo"  // returns its argument
	taskPID   = "pid"   // returns its process, as text
	taskStall = "stall" // see stall
)

var tasks = map[string]func(ctx context.Context, b []byte) ([]byte, error){
	taskEcho:  func(_ context.Context, b []byte) ([]byte, error) { return b, nil },
	taskPID:   func(context.Context, []byte) ([]byte, error) { return pid(), nil },
	taskStall: stall,
}

// runTask runs the task of a name.
func runTask(ctx context.Context, name string, b []byte) ([]byte, error) {
	run := tasks[name]
	if run == nil {
		return nil, fmt.Errorf("there is no task %q", name)
	}
	return run(ctx, b)
}

func pid() []byte { return []byte(strconv.Itoa(os.Getpid())) }

// stall tells its process in a file and hangs, but only the first time; then it returns
// its process.
func stall(ctx context.Context, b []byte) ([]byte, error) {
	file := string(b)
	if _, err := os.Stat(file); err == nil {
		return pid(), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.WriteFile(file+".new", pid(), 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(2 * time.Minute):
		return nil, errors.New("nobody has killed it")
	}
}
