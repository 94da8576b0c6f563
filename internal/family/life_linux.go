package family

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startTime returns when a process was started, in clock ticks since boot: field 22 of
// proc_pid_stat(5).
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("family: start time of process %d: %w", pid, err)
	}
	// The name of the program is in parentheses and may hold any byte.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("family: start time of process %d: %q", pid, stat)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// life is how the end of a member is waited for: a pidfd in the runtime's poller, so that
// no thread waits. Of a process that is dead already it is nil.
type life struct {
	file *os.File
	conn syscall.RawConn
	once sync.Once
}

// lifeOf watches the member of that number. If its process is not the one that has joined,
// it is dead (FA6).
func (f *Family) lifeOf(number int) *life {
	at := offMembers + number*memberSize
	pid, start := int(f.word(at+memPID).Load()), f.word(at+memStart).Load()
	if pid <= 0 {
		return &life{}
	}
	fd := -1
	for {
		var err error
		if fd, err = unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK); err == nil {
			// The descriptor stands for one process from now on; the start time tells which.
			var now uint64
			if now, err = startTime(pid); err == nil && now == start {
				break
			}
			_ = unix.Close(fd)
		}
		if !exhausted(err) {
			return &life{}
		}
		time.Sleep(10 * time.Millisecond) // who cannot look does not bury the living
	}
	var err error
	l := &life{file: os.NewFile(uintptr(fd), "pidfd")}
	if l.conn, err = l.file.SyscallConn(); err != nil {
		_ = l.file.Close()
		return &life{}
	}
	return l
}

// exists reports whether there is a process of that number.
func exists(pid int) bool { return pid > 0 && unix.Kill(pid, 0) != unix.ESRCH }

// exhausted reports whether an error says nothing but that this process or the system has run
// out of something.
func exhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EINTR)
}

// ended reports whether the process of that owner is dead (FA2). Of an owner that is no
// member any more it does not.
func (f *Family) ended(owner uint32) bool {
	number := numberOf(owner)
	if number < 0 || number >= MaxMembers {
		return false
	}
	state := f.word(offMembers + number*memberSize + memState)
	if s := state.Load(); s&0xff != memberAlive && s&0xff != memberBuried || ownerOf(number, generationOf(s)) != owner {
		return false
	}
	l := f.lifeOf(number)
	defer l.close()
	return (l.file == nil || l.over()) && ownerOf(number, generationOf(state.Load())) == owner
}

// over reports whether the process is dead.
func (l *life) over() (over bool) {
	_ = l.conn.Control(func(fd uintptr) { over = signalled(fd) })
	return over
}

func signalled(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// await returns when the process is dead, or after close.
func (l *life) await() {
	if l.file == nil {
		return
	}
	_ = l.conn.Read(signalled)
}

func (l *life) close() {
	l.once.Do(func() {
		if l.file != nil {
			_ = l.file.Close()
		}
	})
}
