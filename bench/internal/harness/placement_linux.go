package harness

import (
	"fmt"
	"math/bits"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// startPlaced starts a command on the cores of a placement. A child inherits the
// affinity of the thread that forks, so that thread wears it for the moment.
func startPlaced(cmd *exec.Cmd, p Placement) error {
	// The thread's death would be the child's, by Pdeathsig: it is given back alive.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if p == Unpinned {
		return cmd.Start()
	}
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	cores := coresOf(p)
	if cores == nil {
		return Decline("there are not enough cores for the placement %q", p)
	}
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	err := cmd.Start()
	if back := unix.SchedSetaffinity(0, &before); back != nil && err == nil {
		err = fmt.Errorf("sched_setaffinity: %w", back)
	}
	return err
}

// coresOf returns the cores of a placement, the last ones that this process may
// use: the first serves interrupts. It returns nil if there are too few.
func coresOf(p Placement) []int {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		return nil
	}
	var all []int
	for core := range len(allowed) * bits.UintSize {
		if allowed.IsSet(core) {
			all = append(all, core)
		}
	}
	n := map[Placement]int{OneCore: 1, TwoCores: 2}[p]
	if len(all) < n {
		return nil
	}
	return all[len(all)-n:]
}

// ownGroup puts a command into a process group of its own, so that a Ctrl-C is the
// runner's to handle, and lets it die with the runner.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
