package processes

import (
	"os/exec"

	"github.com/futures-go/futures/bench/internal/roles"
)

// roleVariable is set in a process that was started to be the far side of a peer.
const roleVariable = "FUTURES_BENCH_PROCESS"

// farSides are those of the peers in Go. A process that has played its role is
// at its end.
var farSides = map[string]func() error{
	"pipe":          servePipe,
	"net-rpc":       serveNetRPC,
	"plugin-netrpc": servePlugin,
	"plugin-grpc":   servePlugin,
}

// serve plays the role for which this process was started, if there is one.
func serve() { roles.Serve(roleVariable, farSides) }

// inRole returns a command that starts this program again, for a role.
func inRole(name string) (*exec.Cmd, error) { return roles.Command(roleVariable, name) }
