package processes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/futures-go/futures/bench/internal/harness"
)

func netRPC() harness.System {
	return adapter{open: func(n, _ int) (workers, error) { return newFleet(n, startNetRPC) }}.answers(harness.System{
		Name:  "net-rpc",
		About: "a floor: net/rpc, Client.Go and Call, with gob over a Unix socket to a process",
		Find:  harness.Go,
	})
}

// socketVariable names the socket to which the far side connects.
const socketVariable = "FUTURES_BENCH_SOCKET"

func serveNetRPC() error {
	conn, err := net.Dial("unix", os.Getenv(socketVariable))
	if err != nil {
		return err
	}
	server := rpc.NewServer()
	if err := server.Register(Tasks{}); err != nil {
		return err
	}
	server.ServeConn(conn)
	return nil
}

// rpcClient is a process that is called by net/rpc.
type rpcClient struct {
	*rpc.Client
	service string       // the prefix of the methods
	end     func() error // ends the process
}

func startNetRPC() (workers, error) {
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	// The socket has done its part when both have it.
	defer func() { _ = os.RemoveAll(folder) }()
	socket := filepath.Join(folder, "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = listener.Close() }()
	cmd, err := inRole("net-rpc")
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, socketVariable+"="+socket)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	conn, err := listener.Accept()
	if err != nil {
		return nil, errors.Join(err, kill(cmd))
	}
	client := rpc.NewClient(conn)
	return &rpcClient{client, "Tasks.", func() error { return errors.Join(client.Close(), cmd.Wait()) }}, nil
}

func kill(cmd *exec.Cmd) error {
	err := cmd.Process.Kill()
	_ = cmd.Wait() // it says that it was killed
	return err
}

type rpcCall struct {
	call *rpc.Call
	out  int64
}

// Result implements future.
func (c *rpcCall) Result(context.Context) (int64, error) {
	<-c.call.Done
	if c.call.Error != nil {
		return 0, fmt.Errorf("net/rpc: %w", c.call.Error)
	}
	return c.out, nil
}

func (r *rpcClient) start(n int64) future {
	c := &rpcCall{}
	c.call = r.Go(r.service+nameFollowing, n, &c.out, make(chan *rpc.Call, 1))
	return c
}

func (r *rpcClient) number(name string, n int64) (out int64, err error) {
	err = r.call(name, n, &out)
	return out, err
}

func (r *rpcClient) bytes(name string, b []byte) (out int64, err error) {
	err = r.call(name, b, &out)
	return out, err
}

func (r *rpcClient) echo(b []byte) (out []byte, err error) {
	err = r.call(nameEcho, b, &out)
	return out, err
}

func (r *rpcClient) call(name string, in, out any) error { return r.Call(r.service+name, in, out) }

func (r *rpcClient) close() error { return r.end() }
