package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A cpuWatch measures how much of the processors others use.
type cpuWatch struct {
	began     time.Time
	busy, own time.Duration
	err       error
}

// tick is the unit of /proc/stat (USER_HZ), which is the same on every platform
// that Go runs on.
const tick = 10 * time.Millisecond

func watchCPU() cpuWatch {
	w := cpuWatch{began: time.Now()}
	w.busy, w.err = busyTime()
	w.own = ownTime()
	return w
}

// foreign returns how many cores others used since, on the average, and whether
// that is known. What the clock of /proc/stat cannot tell from nothing is nothing.
func (w cpuWatch) foreign() (cores float64, known bool) {
	busy, err := busyTime()
	if err != nil || w.err != nil {
		return 0, false
	}
	wall := time.Since(w.began)
	others := (busy - w.busy) - (ownTime() - w.own)
	if others <= 2*tick {
		return 0, true
	}
	return others.Seconds() / wall.Seconds(), true
}

// busyTime returns what all processors have spent on processes since the start of
// the machine, and what the host took from them. Interrupts are left out: they are
// mostly our own.
func busyTime() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseBusyTime(string(text))
}

func parseBusyTime(stat string) (time.Duration, error) {
	first, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(first) // cpu user nice system idle iowait irq softirq steal ...
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", first)
	}
	var ticks int64
	for _, i := range []int{1, 2, 3, 8} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// ownTime returns what this process and those of its descendants that have been
// waited for have used.
func ownTime() time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var usage unix.Rusage
		if unix.Getrusage(who, &usage) == nil {
			sum += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		}
	}
	return sum
}

// adoptOrphans makes this process the parent of descendants whose own parent has
// died, so that their time counts as ours and nothing of theirs is left behind.
func adoptOrphans() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// patience is how long a run's leftovers may take to end by themselves.
const patience = 2 * time.Second

// reap waits for what a run has left behind, and kills what does not end. It must
// not be called while a child of this process is somebody else's to wait for.
func reap() {
	deadline := time.Now().Add(patience)
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR || pid > 0:
			continue
		case err != nil: // ECHILD: there is none
			return
		}
		if time.Now().After(deadline) {
			for _, child := range children() {
				_ = syscall.Kill(child, syscall.SIGKILL)
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// children returns the processes whose parent this one is.
func children() (pids []int) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
