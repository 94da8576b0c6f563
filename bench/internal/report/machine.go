package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Machine is the facts without which figures mean nothing.
type Machine struct{ Facts []Fact }

// A Fact is one of them.
type Fact struct{ Name, Value string }

// ThisMachine gathers the facts of the machine it runs on.
func ThisMachine() Machine {
	facts := []Fact{
		{"date", time.Now().UTC().Format("2006-01-02 15:04 UTC")},
		{"system", runtime.GOOS + "/" + runtime.GOARCH},
		{"Go", runtime.Version()},
		{"processors", fmt.Sprintf("%d, GOMAXPROCS %d", runtime.NumCPU(), runtime.GOMAXPROCS(0))},
	}
	facts = append(facts, commit()...)
	add := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			facts = append(facts, Fact{name, value})
		}
	}
	add("processor", lineOf("/proc/cpuinfo", "model name"))
	if flags := lineOf("/proc/cpuinfo", "flags"); strings.Contains(" "+flags+" ", " hypervisor ") {
		add("virtual machine", "yes")
	}
	add("kernel", contents("/proc/sys/kernel/osrelease"))
	add("memory", lineOf("/proc/meminfo", "MemTotal"))
	add("frequency governor", contents("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
	add("transparent huge pages", contents("/sys/kernel/mm/transparent_hugepage/enabled"))
	add("load at the start", contents("/proc/loadavg"))
	return Machine{facts}
}

// commit returns the commit that is measured, if this is run in its folder, as the
// documents say, and git is there.
func commit() []Fact {
	if !strings.HasPrefix(contents("go.mod"), "module github.com/futures-go/futures\n") {
		return nil
	}
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return nil
	}
	return []Fact{{"commit", strings.TrimSpace(string(out))}}
}

func (m Machine) String() string {
	var b strings.Builder
	for _, f := range m.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	return b.String()
}

// contents returns a file's text; nothing if there is no such file.
func contents(name string) string {
	text, _ := os.ReadFile(name)
	return string(text)
}

// lineOf returns what stands after a key and a colon in a file.
func lineOf(name, key string) string {
	for line := range strings.Lines(contents(name)) {
		k, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(k) == key {
			return value
		}
	}
	return ""
}
