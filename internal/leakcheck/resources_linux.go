package leakcheck

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// warmUp makes the runtime open the descriptors of its poller, which it keeps.
func warmUp() {
	if r, w, err := os.Pipe(); err == nil {
		_ = r.Close()
		_ = w.Close()
	}
}

// family is the memory that a program shares with its worker processes. The program keeps
// it until it ends, so that slices of it stay valid, and has one for all pools.
const family = "/memfd:futures-family (deleted)"

// resources returns the descriptors and the children of this process, and the
// names of shared memory on this machine.
func resources() inventory {
	all := make(inventory)
	for _, fd := range names("/proc/self/fd") {
		// The descriptor that listed the directory is gone and has no target.
		if target, err := os.Readlink("/proc/self/fd/" + fd); err == nil && target != family {
			what := fmt.Sprintf("descriptor %s: %s", fd, target)
			all[what] = what + ends(fd)
		}
	}
	// The file "children" of a thread would be shorter, but may omit some while
	// others end (proc_tid_children(5)).
	self := strconv.Itoa(os.Getpid())
	for _, pid := range names("/proc") {
		stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
		if err != nil {
			continue // no process, or gone
		}
		// 7 (name, with any byte) S 1 ...: pid, name, state, parent.
		head, tail, _ := cutLast(string(stat), ")")
		if fields := strings.Fields(tail); len(fields) > 1 && fields[1] == self {
			all["child "+pid] = fmt.Sprintf("child process %s) in state %s", head, fields[0])
		}
	}
	for _, name := range names("/dev/shm") {
		what := "shared memory: /dev/shm/" + name
		all[what] = what
	}
	return all
}

// ends returns between which addresses a descriptor is a connection of the Internet's protocols.
func ends(descriptor string) string {
	fd, err := strconv.Atoi(descriptor)
	if err != nil {
		return ""
	}
	text := ""
	for _, end := range []func(int) (syscall.Sockaddr, error){syscall.Getsockname, syscall.Getpeername} {
		switch a, _ := end(fd); a := a.(type) { // nil for what is no socket, or not connected
		case *syscall.SockaddrInet4:
			text += fmt.Sprintf(" %v", netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
		case *syscall.SockaddrInet6:
			text += fmt.Sprintf(" %v", netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)))
		}
	}
	return text
}

// names lists a directory; one that cannot be read has none.
func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	all := make([]string, len(entries))
	for i, e := range entries {
		all[i] = e.Name()
	}
	return all
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
