package processes

import (
	"errors"
	"fmt"
	"net/rpc"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/futures-go/futures/bench/internal/harness"
)

func pluginNetRPC() harness.System {
	return adapter{restarts: true, open: func(n, _ int) (workers, error) {
		return newFleet(n, func() (workers, error) { return startPlugin("plugin-netrpc", plugin.ProtocolNetRPC) })
	}}.answers(harness.System{
		Name:  "go-plugin-netrpc",
		About: "hashicorp/go-plugin, a plugin process for each worker, called by net/rpc",
		Find:  harness.Module("github.com/hashicorp/go-plugin"),
	})
}

func pluginGRPC() harness.System {
	return adapter{restarts: true, open: func(n, _ int) (workers, error) {
		return newFleet(n, func() (workers, error) { return startPlugin("plugin-grpc", plugin.ProtocolGRPC) })
	}}.answers(harness.System{
		Name:  "go-plugin-grpc",
		About: "the same, called by gRPC",
		Find:  harness.Module("github.com/hashicorp/go-plugin"),
	})
}

var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  1,
	MagicCookieKey:   "FUTURES_BENCH_PLUGIN",
	MagicCookieValue: "tasks",
}

const pluginName = "tasks"

// pluginTasks is the plugin, for both protocols: see goplugin_grpc.go.
type pluginTasks struct{}

func (pluginTasks) Server(*plugin.MuxBroker) (any, error) { return Tasks{}, nil }

func (pluginTasks) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) {
	return &rpcClient{Client: c, service: "Plugin."}, nil
}

func servePlugin() error {
	c := &plugin.ServeConfig{
		HandshakeConfig: handshake,
		Plugins:         plugin.PluginSet{pluginName: pluginTasks{}},
		Logger:          hclog.NewNullLogger(),
	}
	if os.Getenv(roleVariable) == "plugin-grpc" {
		c.GRPCServer = newGRPCServer
	}
	plugin.Serve(c)
	return nil
}

func startPlugin(role string, protocol plugin.Protocol) (workers, error) {
	cmd, err := inRole(role)
	if err != nil {
		return nil, err
	}
	cmd.Stderr = nil // go-plugin wants it for itself
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  handshake,
		Plugins:          plugin.PluginSet{pluginName: pluginTasks{}},
		Cmd:              cmd,
		AllowedProtocols: []plugin.Protocol{protocol},
		GRPCDialOptions:  largeMessages,
		Logger:           hclog.NewNullLogger(),
		StartTimeout:     20 * time.Second,
	})
	fail := func(err error) (workers, error) {
		client.Kill()
		return nil, fmt.Errorf("go-plugin: %w", err)
	}
	connection, err := client.Client()
	if err != nil {
		return fail(err)
	}
	raw, err := connection.Dispense(pluginName)
	if err != nil {
		return fail(err)
	}
	end := func() error {
		client.Kill()
		if !client.Exited() {
			return errors.New("go-plugin: the plugin has not exited")
		}
		return nil
	}
	switch w := raw.(type) {
	case *rpcClient:
		w.end = end
		return w, nil
	case *grpcClient:
		w.end = end
		return w, nil
	}
	return fail(fmt.Errorf("the plugin is a %T", raw))
}
