//go:build !linux

package harness

import "os/exec"

func startPlaced(cmd *exec.Cmd, p Placement) error {
	if p != Unpinned {
		return Decline("processes are placed on Linux only")
	}
	return cmd.Start()
}

func coresOf(Placement) []int { return nil }

func ownGroup(*exec.Cmd) {}
