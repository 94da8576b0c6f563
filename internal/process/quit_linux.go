package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A busy thread is known by the CPU time that it uses. The kernel counts it with every
// clock tick, and other processes may want the CPU too.
const (
	observing  = 20 * time.Millisecond // between two looks
	looks      = 10                    // at most
	busyEnough = 10 * time.Millisecond // ends the observation
)

// target chooses the thread for SIGQUIT: the busiest of those that run, or 0 for any if
// none does. With any, the stack of a busy loop was missing in 4 to 9 of 100 dumps; with
// the chosen one in 1 of some 1000, when the goroutine moved on before the signal came.
func target(pid int) (tid int) {
	last := threads(pid)
	for range looks {
		if !slices.ContainsFunc(last, func(t thread) bool { return t.running }) {
			return 0
		}
		time.Sleep(observing)
		now := threads(pid)
		var most time.Duration
		tid = 0
		for _, t := range now {
			used := t.cpu
			if i := slices.IndexFunc(last, func(was thread) bool { return was.id == t.id }); i >= 0 {
				used -= last[i].cpu
			}
			if t.running && (tid == 0 || used > most) {
				tid, most = t.id, used
			}
		}
		if most >= busyEnough {
			break
		}
		last = now
	}
	return tid
}

type thread struct {
	id      int
	running bool          // or waiting for a CPU
	cpu     time.Duration // that it has used; 0 if the kernel does not count it
}

func threads(pid int) (all []thread) {
	dir := fmt.Sprintf("/proc/%d/task/", pid)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		id, _ := strconv.Atoi(entry.Name())
		stat, _ := os.ReadFile(dir + entry.Name() + "/stat")
		// "TID (name) state ..."; a name may contain anything.
		_, state, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
		usage, _ := os.ReadFile(dir + entry.Name() + "/schedstat")
		first, _, _ := strings.Cut(string(usage), " ")
		cpu, _ := strconv.ParseInt(first, 10, 64) // in nanoseconds
		all = append(all, thread{id, strings.HasPrefix(state, "R"), time.Duration(cpu)})
	}
	return all
}

// quit sends SIGQUIT to what target has chosen.
func (l *leader) quit(tid int) {
	if tid == 0 || unix.Tgkill(l.pid, tid, unix.SIGQUIT) != nil {
		_ = l.signal(unix.SIGQUIT)
	}
}
