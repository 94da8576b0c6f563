package process

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Spec says what to start. The zero value starts this very program with the
// parent's environment and working directory, no input, and its output read and
// dropped.
type Spec struct {
	// Path is the program. The default is the one that runs: /proc/self/exe on
	// Linux, which stays what it is when the file is replaced, or else os.Executable.
	// Another program needs to know nothing of this package, but P8 is not for it.
	Path string

	// Args are the arguments after the program's name, which is os.Args[0].
	Args []string

	// Env is the environment; nil is that of this process. Of entries with the same
	// key the child gets the last. (A Go program given several would see the first.)
	Env []string

	// Dir is the working directory; the default is that of this process.
	Dir string

	// Files are what the child gets as descriptors 3, 4, ...; see also [ChildFile].
	// They are *os.File, *net.UnixConn and the like, or [FD]. They stay the caller's,
	// who may close them once Start has returned.
	Files []syscall.Conn

	// Stdout and Stderr get the output line by line, each from a goroutine of its
	// own; nil drops it. A sink that blocks makes the child block once its pipe is
	// full, and delays Done.
	Stdout, Stderr Sink

	// MemoryLimit is the resident memory in bytes, without what is shared, that the
	// child may have; 0 is no limit. It is looked at every 10 ms (P7), and only
	// for the child itself, not its descendants.
	MemoryLimit int64
}

// Sink takes a line that the process pid has written, without the newline. Lines of
// more than 64 KiB come in pieces of this size. The line is valid during the call.
type Sink func(pid int, line []byte)

// FD is a raw descriptor, or on Windows a handle, for Spec.Files. It must stay open
// until Start returns.
type FD uintptr

// SyscallConn returns fd itself.
func (fd FD) SyscallConn() (syscall.RawConn, error) { return fd, nil }

// Control calls f with the descriptor.
func (fd FD) Control(f func(uintptr)) error { f(uintptr(fd)); return nil }

// Read is refused: nobody waits on a raw descriptor.
func (fd FD) Read(func(uintptr) bool) error { return syscall.EINVAL }

// Write is refused: nobody waits on a raw descriptor.
func (fd FD) Write(func(uintptr) bool) error { return syscall.EINVAL }

// path returns the program to start.
func (s *Spec) path() (string, error) {
	if s.Path != "" {
		return s.Path, nil
	}
	if runtime.GOOS == "linux" {
		const self = "/proc/self/exe"
		if _, err := os.Lstat(self); err == nil {
			return self, nil
		}
	}
	return os.Executable()
}

// argv returns the arguments with the name of the program.
func (s *Spec) argv(path string) []string {
	name := path
	if s.Path == "" && len(os.Args) > 0 {
		name = os.Args[0]
	}
	return append([]string{name}, s.Args...)
}

// environ returns the environment with the marker of a child, and each key once.
func (s *Spec) environ(marker string) []string {
	env := s.Env
	if env == nil {
		env = os.Environ()
	}
	all := append(slices.Clone(env), marker)
	seen := make(map[string]bool, len(all))
	kept := make([]string, 0, len(all))
	for _, entry := range slices.Backward(all) {
		key, ok := envKey(entry)
		if !ok || seen[key] {
			continue
		}
		seen[key] = true
		kept = append(kept, entry)
	}
	slices.Reverse(kept)
	return kept
}

// envKey returns the key of an entry as the system compares it. Windows has entries
// such as "=C:=C:\dir", whose key begins with the equals sign.
func envKey(entry string) (key string, ok bool) {
	if entry == "" {
		return "", false
	}
	i := strings.IndexByte(entry[1:], '=')
	if i < 0 {
		return "", false
	}
	key = entry[:i+1]
	if runtime.GOOS == "windows" {
		key = strings.ToUpper(key)
	}
	return key, true
}
