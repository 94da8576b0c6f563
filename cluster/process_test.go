package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/futures-go/futures/procpool"
)

// faultPatience bounds the waits of the tests of faults: leases must end, processes start and
// nodes elect leaders, on a machine that is busy. NATS begins an election 4 to 9 s after the last
// word of a leader, and another one so long after one that nobody has won; and what was on its way
// to a worker by a node that was killed comes again when the lease is over.
const faultPatience = 60 * time.Second

// A part is what a process of this binary is told to play.
type part struct {
	// A server, a node if it has Routes.
	Name   string
	Dir    string
	Disk   bool
	Listen string
	Route  string
	Routes []string

	// A worker, or a client.
	URL       string
	Namespace string
	Queue     string
	Workers   int
	Lease     time.Duration
	Processes bool // it runs its tasks on a procpool

	// A client.
	Meeting string // the address
}

func init() {
	roles["faults.server"] = playing(playServer)
	roles["faults.worker"] = playing(playWorker)
	roles["faults.client"] = playing(playClient)
}

// playing returns the role of a process that plays until its standard input ends, which it does
// also when the test's process is killed.
func playing(play func(ctx context.Context, p part) error) func() {
	return func() {
		var p part
		err := json.Unmarshal([]byte(os.Getenv("CLUSTER_TEST_PART")), &p)
		if err == nil {
			ctx, stop := context.WithCancel(context.Background())
			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)
				stop()
			}()
			err = play(ctx, p)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// playServer says its URL.
func playServer(ctx context.Context, p part) error {
	o := ServerOptions{Name: p.Name, StoreDir: p.Dir, Durability: Process, Listen: p.Listen, Logger: quiet}
	if p.Disk {
		o.Durability = Disk
	}
	if p.Routes != nil {
		o.Peers = &Peers{Name: "faults", Listen: p.Route, Routes: p.Routes, User: "node", Password: "secret"}
	}
	s, err := StartServer(o)
	if err != nil {
		return err
	}
	fmt.Println(s.URL())
	<-ctx.Done()
	return s.Close()
}

func playWorker(ctx context.Context, p part) error {
	o := ServeOptions{Connection: p.connection(), Workers: p.Workers, Lease: p.Lease, Logger: quiet}
	if p.Queue != "" {
		o.Queues = []string{p.Queue}
	}
	if p.Processes {
		pool, err := procpool.New(procpool.Options{Workers: p.Workers, Queue: 1024, Logger: quiet})
		if err != nil {
			return err
		}
		defer pool.Close()
		o.Executor = pool
	}
	return Serve(ctx, o)
}

// patient returns a context for all that a test waits for.
func patient(t testing.TB) context.Context {
	ctx, stop := context.WithTimeout(t.Context(), 3*faultPatience)
	t.Cleanup(stop)
	return ctx
}

func (p *part) connection() Connection { return Connection{URL: p.URL, Namespace: p.Namespace} }

// A process plays a part.
type process struct {
	t     testing.TB
	role  string
	cmd   *exec.Cmd
	stdin io.Closer
	lines chan string // that it has written to standard output; closed when it has ended

	over  sync.Once
	ended error // what Wait said
	wrote bytes.Buffer
}

// play starts a process, which is killed when the test ends.
func play(t testing.TB, role string, p part) *process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	a := &process{t: t, role: role, cmd: exec.Command(os.Args[0]), lines: make(chan string, 1000)}
	a.cmd.Env = append(os.Environ(), "CLUSTER_TEST_ROLE="+role, "CLUSTER_TEST_PART="+string(text))
	a.cmd.Stderr = &a.wrote
	a.cmd.WaitDelay = faultPatience
	stdin, err := a.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	a.stdin = stdin
	go func() {
		defer close(a.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			a.lines <- in.Text()
		}
	}()
	t.Cleanup(func() {
		a.kill()
		if text := a.wrote.String(); t.Failed() && text != "" {
			t.Logf("%s, process %d: %v: %s", role, a.pid(), a.ended, text)
		}
	})
	return a
}

func (a *process) pid() int { return a.cmd.Process.Pid }

// line returns the next line that the process has written.
func (a *process) line() string {
	a.t.Helper()
	select {
	case line, ok := <-a.lines:
		if !ok {
			a.wait()
			a.t.Fatalf("%s has ended: %v: %s", a.role, a.ended, a.wrote.String())
		}
		return line
	case <-time.After(faultPatience):
		a.t.Fatalf("waited for a line of %s for %v", a.role, faultPatience)
	}
	panic("unreachable")
}

// kill ends the process with SIGKILL.
func (a *process) kill() {
	_ = a.cmd.Process.Kill() // it may have ended
	a.wait()
}

// stop lets the process end, which it is to do without an error.
func (a *process) stop() {
	a.t.Helper()
	_ = a.stdin.Close()
	if a.wait(); a.ended != nil {
		a.t.Errorf("%s: %v: %s", a.role, a.ended, a.wrote.String())
	}
}

func (a *process) wait() {
	a.over.Do(func() {
		for range a.lines {
		}
		a.ended = a.cmd.Wait()
		if text := a.wrote.String(); strings.Contains(text, "panic:") || strings.Contains(text, "DATA RACE") {
			a.t.Errorf("%s: %s", a.role, text)
		}
	})
}

// A serverProcess is a server that is a process, which clients reach at one address wherever
// it listens.
type serverProcess struct {
	*process
	part  part
	proxy *proxy
}

func playServerProcess(t testing.TB, p part) *serverProcess {
	t.Helper()
	p.Listen = "127.0.0.1:0"
	if p.Dir == "" {
		p.Dir = t.TempDir()
	}
	s := &serverProcess{part: p, proxy: newProxy(t)}
	s.start(t)
	return s
}

// start starts the server, again if it was killed.
func (s *serverProcess) start(t testing.TB) {
	t.Helper()
	s.process = play(t, "faults.server", s.part)
	s.proxy.to(strings.TrimPrefix(s.line(), "nats://"))
}

func (s *serverProcess) url() string { return s.proxy.url() }
