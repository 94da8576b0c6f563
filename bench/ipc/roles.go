package ipc

import (
	"os/exec"

	"github.com/futures-go/futures/bench/internal/roles"
)

// roleVariable is set in a process that was started to be the other one of a floor.
const roleVariable = "FUTURES_BENCH_IPC"

// farSides are what such a process does. When it has played its role it is at its end.
var farSides = map[string]func() error{
	"pipe":        servePipe,
	"gob":         serveGob,
	"unix-socket": serveUnixSocket,
	"ring":        serveRing,
	"flock":       serveFileLock,
	"contest":     serveContest,
	"memory":      serveMemory,
}

// serve plays the role for which this process was started, if there is one.
func serve() { roles.Serve(roleVariable, farSides) }

// inRole returns a command that starts this program again, for a role.
func inRole(name string) (*exec.Cmd, error) { return roles.Command(roleVariable, name) }
