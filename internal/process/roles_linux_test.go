package process

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

var systemRoles = map[string]func(args []string){
	"close-on-exec":   roleCloseOnExec,
	"data-limit":      roleDataLimit,
	"family":          roleFamily,
	"grow":            func([]string) { grow() },
	"ignore-quit":     roleIgnoreQuit,
	"memory":          roleMemory,
	"middle":          roleMiddle,
	"slow-middle":     roleSlowMiddle,
	"oom-score":       roleOOMScore,
	"park":            func([]string) { fmt.Println("ready"); parkForever(make(chan int)) },
	"raw-descriptors": roleRawDescriptors,
	"raw-family":      roleFamily,
	"raw-hold":        roleRawHold,
	"raw-orphan":      roleRawOrphan,
	"raw-unarmed":     roleRawUnarmed,
	"spin":            func([]string) { fmt.Println("ready"); spinForever() },
}

// roleFamily starts a child of its own in its group, or out of it if args[0] is "away",
// which has all outputs and file 0 open. It says who they are, and then does args[1].
func roleFamily(args []string) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=raw-hold")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.NewFile(ChildFile(0), "hold"), os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: args[0] == "away"}
	fail(cmd.Start())
	line := 4 // the life line comes after the one file
	if args[1] == "input" {
		line = 5
	}
	_, err := pipeInode(line)
	fail(err)
	fmt.Println(os.Getpid(), cmd.Process.Pid)
	switch args[1] {
	case "exit":
		os.Exit(0)
	case "sleep":
	case "input": // goes when its parent does, by another way than the life line
		_, _ = io.Copy(io.Discard, os.NewFile(ChildFile(1), "input"))
		os.Exit(0)
	case "spin":
		spinForever()
	case "stop":
		fail(unix.Kill(os.Getpid(), unix.SIGSTOP))
	case "close": // as user code that closes what it does not know
		awaitReader(line)
		fail(unix.Close(line))
	case "leave": // the group, for that of the parent
		group, err := unix.Getpgid(unix.Getppid())
		fail(err)
		fail(unix.Setpgid(0, group))
	case "disarm": // as on a system without F_SETSIG
		flags, err := unix.FcntlInt(uintptr(line), unix.F_GETFL, 0)
		fail(err)
		if flags&unix.O_ASYNC == 0 {
			fail(fmt.Errorf("life line is not armed: flags %#x", flags))
		}
		_, err = unix.FcntlInt(uintptr(line), unix.F_SETFL, flags&^unix.O_ASYNC)
		fail(err)
	default:
		fail(fmt.Errorf("unknown end %q", args[1]))
	}
	fmt.Println("ready")
	select {}
}

// awaitReader returns when a thread of this process blocks in a read of fd.
func awaitReader(fd int) {
	reading := fmt.Sprintf("%d %#x ", unix.SYS_READ, fd)
	for {
		threads, err := filepath.Glob("/proc/self/task/*/syscall")
		fail(err)
		for _, thread := range threads {
			if call, _ := os.ReadFile(thread); strings.HasPrefix(string(call), reading) {
				return
			}
		}
		runtime.Gosched()
	}
}

// roleRawHold stays until its input ends.
func roleRawHold([]string) {
	_, err := io.Copy(io.Discard, os.Stdin)
	fail(err)
}

// roleRawOrphan hardens itself when its parent, args[0] or "mine", is dead.
func roleRawOrphan(args []string) {
	parent, end := args[0], 3 // the one file: a pipe that nobody can write to
	if parent == "mine" {
		parent = strconv.Itoa(os.Getppid())
	}
	inode, err := pipeInode(end)
	fail(err)
	fail(os.Setenv(markerKey, fmt.Sprintf("%d %d %s", end, inode, parent)))
	child, err := HardenChild()
	fmt.Println(child, err)
}

// roleRawUnarmed says whether a child arms the life line if the parent has not.
func roleRawUnarmed([]string) {
	line := 3 // there is no file
	flags, err := unix.FcntlInt(uintptr(line), unix.F_GETFL, 0)
	fail(err)
	_, err = unix.FcntlInt(uintptr(line), unix.F_SETFL, flags&^unix.O_ASYNC)
	fail(err)
	_, err = HardenChild()
	fail(err)
	flags, err = unix.FcntlInt(uintptr(line), unix.F_GETFL, 0)
	fail(err)
	fmt.Println(flags&unix.O_ASYNC != 0)
}

// roleMiddle starts a child in the role args[0], passes on its file and what the
// child says, and stays.
func roleMiddle(args []string) {
	spec := as(args[0], args[1:]...)
	spec.Files = []syscall.Conn{FD(ChildFile(0))}
	spec.Stdout = func(_ int, line []byte) { fmt.Printf("%s\n", line) }
	spec.Stderr = func(_ int, line []byte) { fmt.Fprintf(os.Stderr, "%s\n", line) }
	_, err := Start(spec)
	fail(err)
	select {}
}

// roleSlowMiddle is roleMiddle for a child with an input, and takes some milliseconds to end: the
// first thing that is released then is the input, and the life line comes after
// thousands of other files.
func roleSlowMiddle(args []string) {
	r, w, err := os.Pipe()
	fail(err)
	spec := as(args[0], args[1:]...)
	spec.Files = []syscall.Conn{FD(ChildFile(0)), r}
	spec.Stdout = func(_ int, line []byte) { fmt.Printf("%s\n", line) }
	_, err = Start(spec)
	fail(err)
	fail(r.Close())
	last := 0
	for range 10000 {
		last, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		fail(err)
	}
	_, err = unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, last+1)
	fail(err)
	fail(w.Close())
	fmt.Println("ready")
	select {}
}

// roleCloseOnExec says which descriptors from 3 on are not close-on-exec, and what a
// child of its own finds. If there is an argument they are marked one by one.
func roleCloseOnExec(args []string) {
	if len(args) > 0 {
		for _, fd := range openDescriptors(3) {
			_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
			if err != unix.EBADF { // which the directory's is by now
				fail(err)
			}
		}
		fail(closeOnExecEach(3))
	}
	var inherited []int
	for _, fd := range openDescriptors(3) {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			inherited = append(inherited, fd)
		}
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=raw-descriptors")
	out, err := cmd.Output()
	fail(err)
	fmt.Println(inherited, string(bytes.TrimSpace(out)))
}

// roleRawDescriptors says what its descriptors from 3 on are.
func roleRawDescriptors([]string) {
	var all []string
	for _, fd := range openDescriptors(3) {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		runtimes := strings.HasPrefix(target, "anon_inode:[event") || strings.HasPrefix(target, "/sys/fs/cgroup/")
		if err == nil && !runtimes {
			all = append(all, target)
		}
	}
	fmt.Println(all)
}

func roleOOMScore([]string) {
	score := func() int {
		text, err := os.ReadFile("/proc/self/oom_score_adj")
		fail(err)
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		fail(err)
		return n
	}
	before := score()
	fail(RaiseOOMScore(300))
	once := score()
	fail(RaiseOOMScore(5000))
	fmt.Println(once-before, score())
}

var kept [][]byte

// grow takes memory until it is killed.
func grow() {
	for {
		piece := make([]byte, 1<<20)
		for i := 0; i < len(piece); i += os.Getpagesize() {
			piece[i] = 1
		}
		kept = append(kept, piece)
	}
}

// roleDataLimit may take 96 MiB more than it has, and takes more.
func roleDataLimit([]string) {
	status, err := os.ReadFile("/proc/self/status")
	fail(err)
	_, after, _ := strings.Cut(string(status), "VmData:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	fail(err)
	fail(LimitData(kilobytes<<10 + 96<<20))
	grow()
}

// roleMemory touches args[0] bytes of its own and args[1] of shared memory.
func roleMemory(args []string) {
	private, err := strconv.Atoi(args[0])
	fail(err)
	shared, err := strconv.Atoi(args[1])
	fail(err)
	fd, err := unix.MemfdCreate("shared", unix.MFD_CLOEXEC)
	fail(err)
	fail(unix.Ftruncate(fd, int64(shared)))
	mapped, err := unix.Mmap(fd, 0, shared, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	fail(err)
	kept = append(kept, make([]byte, private), mapped)
	for _, memory := range kept {
		for i := 0; i < len(memory); i += os.Getpagesize() {
			memory[i] = 1
		}
	}
	fmt.Println("ready")
	select {}
}

func roleIgnoreQuit([]string) {
	signal.Ignore(syscall.SIGQUIT)
	fmt.Println("ready")
	select {}
}

//go:noinline
func spinForever() {
	for i := 0; ; i++ {
		if i < 0 {
			i = 0
		}
	}
}

//go:noinline
func parkForever(c chan int) { <-c }
