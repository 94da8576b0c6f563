package harness

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func allowedCores() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0
	}
	return set.Count()
}

// TestPlacement: a run is on the cores of its placement, and this process is where
// it was.
func TestPlacement(t *testing.T) {
	before := allowedCores()
	for placement, want := range map[Placement]int{Unpinned: before, OneCore: 1, TwoCores: 2} {
		s := ask("cores", Params{Placement: placement})
		switch {
		case want > before:
			if s.Declined == "" {
				t.Errorf("%q on %d cores: %+v", placement, before, s)
			}
		case s.Error != "" || len(s.Values) != 1 || s.Values[0] != float64(want):
			t.Errorf("%q: got %+v, want %d cores", placement, s, want)
		}
	}
	if after := allowedCores(); after != before {
		t.Errorf("may use %d cores, before %d", after, before)
	}
	if name := placementName(Unpinned); name != "unpinned" {
		t.Error(name)
	}
	if name, none := placementName(OneCore), "one core"; len(name) <= len(none) {
		t.Errorf("%q does not tell the core", name)
	}
}

// TestLeftProcess: what a run leaves behind is gone when the next one begins.
func TestLeftProcess(t *testing.T) {
	if err := adoptOrphans(); err != nil {
		t.Fatal(err)
	}
	if s := ask("leaves-a-process", Params{}); s.Error != "" {
		t.Error(s.Error)
	}
	if left := children(); len(left) > 0 {
		t.Errorf("processes %v are left", left)
	}
}

// TestForeign: a process that has not been waited for uses the processor as
// somebody else's does, and one that has does not.
func TestForeign(t *testing.T) {
	busy := exec.Command("/bin/sh", "-c", "while :; do :; done")
	if _, err := os.Stat(busy.Path); err != nil {
		t.Fatal(err)
	}
	watch := watchCPU()
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for used := false; !used; {
		cores, known := watch.foreign()
		if !known {
			t.Error("/proc/stat cannot be read")
		}
		used = cores > 0
		if !known || time.Now().After(deadline) {
			break
		}
		time.Sleep(tick)
	}
	cores, _ := watch.foreign()
	own := ownTime()
	_ = busy.Process.Kill()
	_ = busy.Wait() // killed
	if cores == 0 {
		t.Error("a busy process used nothing")
	}
	if ownTime() <= own {
		t.Error("its time is not ours after the wait")
	}
}

func TestParseBusyTime(t *testing.T) {
	got, err := parseBusyTime("cpu  100 20 30 4000 5 6 7 80 90 0\ncpu0 1 2 3\n")
	if want := 230 * tick; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2", "intr 1 2 3 4 5 6 7 8 9", "cpu a b c d e f g h i"} {
		if got, err := parseBusyTime(bad); err == nil {
			t.Errorf("%q gives %v", bad, got)
		}
	}
}
