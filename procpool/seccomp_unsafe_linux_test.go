package procpool_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/futures-go/futures"
	"github.com/futures-go/futures/procpool"
)

// forbid makes a system call of all threads of this process, and of those it starts, fail with
// an error, as a sandbox does.
func forbid(call uint32, errno syscall.Errno) error {
	// The filter sees the number of the call in its first word.
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: call, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	_, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	if e != 0 {
		return e
	}
	return nil
}

// playSandbox is the role of a program that gets no shared memory.
func playSandbox() {
	errno := syscall.EPERM
	if os.Getenv("PROCPOOL_TEST_HOW") == "ENOSYS" {
		errno = syscall.ENOSYS
	}
	if err := forbid(unix.SYS_MEMFD_CREATE, errno); err != nil {
		fmt.Println("no seccomp:", err)
		os.Exit(0)
	}
	var log bytes.Buffer
	p, err := procpool.New(procpool.Options{Workers: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		fmt.Println(err)
		os.Exit(0)
	}
	var fs []*futures.Future[int]
	for n := range 100 {
		fs = append(fs, double.Submit(context.Background(), p, n))
	}
	values, err := futures.Gather(context.Background(), fs...)
	fmt.Println(len(values), values[99], err, p.Close())
	fmt.Println("warned:", strings.Contains(log.String(), "no shared memory, so tasks go through pipes"))
	os.Exit(0)
}

func init() { roles["sandbox"] = playSandbox }

// TestWithoutSharedMemory: where the system gives no shared memory, tasks go through pipes. It
// is said in the log, unless the system does not know of such memory at all.
func TestWithoutSharedMemory(t *testing.T) {
	for how, warned := range map[string]bool{"EPERM": true, "ENOSYS": false} {
		t.Run(how, func(t *testing.T) {
			t.Setenv("PROCPOOL_TEST_HOW", how)
			out := playRole(t, "sandbox")
			if strings.HasPrefix(out, "no seccomp: ") {
				if os.Getenv("FUTURES_CI") != "" {
					t.Fatal(out)
				}
				t.Skip("NOT TESTED: ", out)
			}
			if want := fmt.Sprintf("100 198 <nil> <nil>\nwarned: %v\n", warned); out != want {
				t.Errorf("it says %q, want %q", out, want)
			}
		})
	}
}
