package processes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/futures-go/futures"
)

// The tasks, which all peers have in common. Those of a remote procedure call are
// the methods of Tasks.
const (
	nameFollowing = "Following" // n to n+1
	nameTotal     = "Total"     // n to the sum of a loop of n turns
	nameNap       = "Nap"       // n to n, after as many milliseconds
	nameLength    = "Length"    // bytes to how many they are
	nameStall     = "Stall"     // see stall
	nameEcho      = "Echo"      // bytes to the same bytes
)

var (
	defFollowing = futures.Define("bench.processes.following", numberTask(following))
	defTotal     = futures.Define("bench.processes.total", numberTask(total))
	defNap       = futures.Define("bench.processes.nap", numberTask(nap))
	defLength    = futures.Define("bench.processes.length", func(_ context.Context, b []byte) (int64, error) { return int64(len(b)), nil })
	defStall     = futures.Define("bench.processes.stall", func(_ context.Context, b []byte) (int64, error) { return stall(string(b)) })
	defEcho      = futures.Define("bench.processes.echo", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
)

func numberTask(fn func(int64) int64) func(context.Context, int64) (int64, error) {
	return func(_ context.Context, n int64) (int64, error) { return fn(n), nil }
}

func following(n int64) int64 { return n + 1 }

// total is work that a compiler does not shorten.
func total(n int64) int64 {
	var sum uint64
	for x := range uint64(n) {
		sum += x ^ sum<<1
	}
	return int64(sum >> 1)
}

func nap(milliseconds int64) int64 {
	time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	return milliseconds
}

// stall tells its process in a file and hangs, but only the first time.
func stall(file string) (int64, error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	if err := os.WriteFile(file+".new", []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return 0, err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return 0, err
	}
	time.Sleep(2 * time.Minute)
	return 0, nil
}

// onNumber runs the task of a name on a number.
func onNumber(name string, n int64) (int64, error) {
	switch name {
	case nameFollowing:
		return following(n), nil
	case nameTotal:
		return total(n), nil
	case nameNap:
		return nap(n), nil
	}
	return 0, fmt.Errorf("there is no task %q on a number", name)
}

// onBytes runs the task of a name on bytes.
func onBytes(name string, b []byte) (int64, error) {
	switch name {
	case nameLength:
		return int64(len(b)), nil
	case nameStall:
		return stall(string(b))
	}
	return 0, fmt.Errorf("there is no task %q on bytes", name)
}

// Tasks are the tasks as net/rpc wants them.
type Tasks struct{}

func (Tasks) Following(n int64, out *int64) error { *out = following(n); return nil }
func (Tasks) Total(n int64, out *int64) error     { *out = total(n); return nil }
func (Tasks) Nap(n int64, out *int64) error       { *out = nap(n); return nil }
func (Tasks) Length(b []byte, out *int64) error   { *out = int64(len(b)); return nil }
func (Tasks) Echo(b []byte, out *[]byte) error    { *out = b; return nil }
func (Tasks) Stall(b []byte, out *int64) (err error) {
	*out, err = stall(string(b))
	return err
}
