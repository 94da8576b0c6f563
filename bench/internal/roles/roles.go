// Package roles starts a program again, to be the far side of what it measures.
//
// A variable of the environment says so, and names the role. Each package of the benchmark has
// a variable and roles of its own.
package roles

import (
	"fmt"
	"os"
	"os/exec"
)

// Serve plays the role for which this process was started and exits, with 1 if that fails. It
// returns if there is none.
func Serve(variable string, roles map[string]func() error) {
	name := os.Getenv(variable)
	if name == "" {
		return
	}
	play, known := roles[name]
	err := fmt.Errorf("there is no such role")
	if known {
		err = play()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Command returns a command that starts this program again, for a role. What it complains of is
// seen here.
func Command(variable, role string) (*exec.Cmd, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), variable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd, nil
}
