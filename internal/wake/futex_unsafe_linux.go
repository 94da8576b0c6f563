package wake

import (
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Available reports whether this system has futexes and bells.
const Available = true

// Operations of futex(2), without the flag that would confine them to one process.
const (
	futexWait = 0
	futexWake = 1
)

// FutexWait blocks the calling thread while *addr is val, until a FutexWake on the
// same memory, which may be mapped elsewhere in another process. It returns at
// once if *addr is not val, and can return without a cause. A timeout that is
// not negative bounds the wait; when it has passed the error wraps
// os.ErrDeadlineExceeded.
//
// Every waiter holds a thread. The garbage collector does not wait for it.
func FutexWait(addr *atomic.Uint32, val uint32, timeout time.Duration) error {
	var spec *unix.Timespec
	var deadline time.Time
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		spec, deadline = &t, time.Now().Add(timeout)
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWait, uintptr(val),
			uintptr(unsafe.Pointer(spec)), 0, 0)
		switch errno {
		case 0, unix.EAGAIN:
			return nil
		case unix.EINTR:
			// A signal of the runtime's. The kernel compares the word again.
			if spec != nil {
				*spec = unix.NsecToTimespec(int64(max(0, time.Until(deadline))))
			}
		case unix.ETIMEDOUT:
			return fmt.Errorf("wake: futex: %w", os.ErrDeadlineExceeded)
		case unix.ENOSYS, unix.EPERM:
			return fmt.Errorf("wake: futex: %w", errno)
		default:
			panic(fmt.Sprintf("wake: FutexWait at %p: %v", addr, errno))
		}
	}
}

// FutexWake wakes up to n threads that wait on the memory at addr, and returns how
// many there were.
func FutexWake(addr *atomic.Uint32, n int) int {
	woken, _, errno := unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(addr)), futexWake,
		uintptr(min(max(n, 0), math.MaxInt32)), 0, 0, 0)
	if errno == unix.EFAULT || errno == unix.EINVAL {
		panic(fmt.Sprintf("wake: FutexWake at %p: %v", addr, errno))
	}
	if errno != 0 {
		return 0 // a system that refuses futexes has nobody waiting
	}
	return int(woken)
}

// schedYield lets other threads run on this CPU, if there are any that want to.
func schedYield() { _, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
