package leakcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// resources returns the descriptors and children of this process, and the names
// of shared memory on this machine.
func resources() map[string]string {
	all := make(map[string]string)
	for _, fd := range names("/proc/self/fd") {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", fd))
		if err != nil || ignored(target) {
			continue
		}
		all["fd "+fd+" "+target] = fmt.Sprintf("descriptor %s: %s", fd, target)
	}
	for _, task := range names("/proc/self/task") {
		children, _ := os.ReadFile(filepath.Join("/proc/self/task", task, "children"))
		for _, pid := range strings.Fields(string(children)) {
			command, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
			all["child "+pid] = fmt.Sprintf("child process %s: %s", pid, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	for _, name := range names("/dev/shm") {
		all["shm "+name] = "shared memory name /dev/shm/" + name
	}
	return all
}

// ignored reports whether a descriptor belongs to the runtime's poller, which
// keeps it once it has been used, or to the test binary's own output.
func ignored(target string) bool {
	return target == "anon_inode:[eventpoll]" || target == "anon_inode:[eventfd]" && !runtimeEventSeen() ||
		strings.HasPrefix(target, "/proc/") || strings.HasSuffix(target, ".test.log")
}

// runtimeEventSeen reports whether the runtime's own eventfd has been counted:
// it has one, made together with its poller.
func runtimeEventSeen() bool {
	events := 0
	for _, fd := range names("/proc/self/fd") {
		if target, _ := os.Readlink(filepath.Join("/proc/self/fd", fd)); target == "anon_inode:[eventfd]" {
			events++
		}
	}
	return events > 1
}

func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Name()
	}
	return all
}
