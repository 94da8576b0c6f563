package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/futures-go/futures/bench/internal/roles"
)

// roleVariable is set in a process that was started to be a server or a worker.
const roleVariable = "FUTURES_BENCH_CLUSTER"

// A roleCall is the value of roleVariable, as JSON.
type roleCall struct {
	Role string
	orders
}

// orders tell a role what to do. Each uses some of them.
type orders struct {
	URL     string // of the server of a worker
	Slots   int    // how many tasks a worker runs at the same time; 0 for any
	Name    string // of a server
	Dir     string // of a server, or of the database of a worker
	Sync    bool   // likewise
	Peer    string // a server's address for others
	Routes  []string
	LeaseMS int
}

// farSides are what such a process does. Each calls ready when it can be reached, at url
// if that is not empty, and returns when ctx has ended.
var farSides = map[string]func(ctx context.Context, o orders, ready func(url string)) error{
	"server":         serveOurs,
	"worker":         workOurs,
	"nats":           serveNATS,
	"nats-worker":    workNATS,
	"grouped-worker": workGrouped,
	"asynq-worker":   workAsynq,
	"river-worker":   workRiver,
}

// serve plays the role for which this process was started, if there is one.
func serve() {
	text := os.Getenv(roleVariable)
	if text == "" {
		return
	}
	if err := play(text); err != nil {
		fmt.Fprintln(os.Stderr, text+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(text string) error {
	var call roleCall
	if err := json.Unmarshal([]byte(text), &call); err != nil {
		return err
	}
	run, known := farSides[call.Role]
	if !known {
		return errors.New("there is no such role")
	}
	out := os.Stdout
	os.Stdout = os.Stderr
	ctx, stop := context.WithCancel(context.Background())
	go func() { // who started it is over, or wants it to end
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return run(ctx, call.orders, func(url string) { fmt.Fprintln(out, url) })
}

// actor is a process in a role.
type actor struct {
	cmd  *exec.Cmd
	end  io.Closer // its standard input
	kill bool      // it need not end by itself
	url  string    // what it has said
}

// start starts this program in a role, and returns when that is ready.
func start(role string, o orders) (*actor, error) {
	text, err := json.Marshal(roleCall{role, o})
	if err != nil {
		return nil, err
	}
	cmd, err := roles.Command(roleVariable, string(text))
	if err != nil {
		return nil, err
	}
	end, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, end.Close())
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, end.Close(), out.Close())
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("%s is not ready: %w", role, errors.Join(err, end.Close(), cmd.Wait()))
	}
	return &actor{cmd: cmd, end: end, url: strings.TrimSpace(line)}, nil
}

// stop has the process end and waits for that.
func (a *actor) stop() error {
	if a.kill {
		_ = a.cmd.Process.Kill() // it may be dead
	}
	_ = a.end.Close() // likewise
	err := a.cmd.Wait()
	if killed := (*exec.ExitError)(nil); errors.As(err, &killed) && killed.ExitCode() < 0 {
		return nil // by a measurement, which would fail if it were by anybody else
	}
	return err
}
