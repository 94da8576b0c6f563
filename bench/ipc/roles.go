package ipc

import (
	"fmt"
	"os"
	"os/exec"
)

// roleVariable is set in a process that was started to be the other one of a floor.
const roleVariable = "FUTURES_BENCH_IPC"

// roles are what such a process does. When it has played its role it is at its end.
var roles = map[string]func() error{
	"pipe":        servePipe,
	"gob":         serveGob,
	"unix-socket": serveUnixSocket,
	"ring":        serveRing,
	"flock":       serveFileLock,
	"contest":     serveContest,
	"memory":      serveMemory,
}

// serve plays the role for which this process was started, if there is one.
func serve() {
	name := os.Getenv(roleVariable)
	if name == "" {
		return
	}
	play, known := roles[name]
	err := fmt.Errorf("there is no role %q", name)
	if known {
		err = play()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inRole returns a command that starts this program again, for a role.
func inRole(name string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), roleVariable+"="+name)
	cmd.Stderr = os.Stderr
	return cmd, nil
}
