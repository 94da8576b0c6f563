package ipc_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// roleVariable makes this binary an unrelated process that plays a part in a test: it holds the
// name of the part and its argument.
const roleVariable = "FUTURES_IPC_TEST_ROLE"

var roles = map[string]func(argument string, in *bufio.Reader) error{}

// playRole plays the part that this process has, if it has one, and ends it.
func playRole() {
	name, argument, _ := strings.Cut(os.Getenv(roleVariable), " ")
	if name == "" {
		return
	}
	os.Unsetenv(roleVariable) // workers of this process have none
	if err := roles[name](argument, bufio.NewReader(os.Stdin)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// actor is an unrelated process that plays a part. What it says is read line by line.
type actor struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

func startRole(t *testing.T, role, argument string, change ...func(*exec.Cmd)) *actor {
	t.Helper()
	a := &actor{t: t, cmd: exec.Command("/proc/self/exe")}
	a.cmd.Env = append(os.Environ(), roleVariable+"="+role+" "+argument)
	a.cmd.Stderr = &a.stderr
	for _, c := range change {
		c(a.cmd)
	}
	out, err := a.cmd.StdoutPipe()
	if err == nil {
		a.in, err = a.cmd.StdinPipe()
	}
	if err == nil {
		err = a.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	a.out = bufio.NewReader(out)
	t.Cleanup(a.kill)
	return a
}

// hears reads a line.
func (a *actor) hears() string {
	a.t.Helper()
	line, err := a.out.ReadString('\n')
	if err != nil {
		a.t.Fatalf("it says %q, %v; %s", line, err, a.stderr.String())
	}
	return strings.TrimSpace(line)
}

// wants fails unless the next line is that one.
func (a *actor) wants(line string) {
	a.t.Helper()
	if got := a.hears(); got != line {
		a.t.Fatalf("it says %q instead of %q; %s", got, line, a.stderr.String())
	}
}

// tell writes a line to the process.
func (a *actor) tell(line string) {
	a.t.Helper()
	if _, err := io.WriteString(a.in, line+"\n"); err != nil {
		a.t.Fatal(err)
	}
}

func (a *actor) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// listens reads lines and calls act with each.
func listens(in *bufio.Reader, act func(line string) error) error {
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = act(strings.TrimSpace(line))
		}
		if err != nil {
			return err
		}
	}
}
