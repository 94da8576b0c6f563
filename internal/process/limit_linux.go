package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// LimitData sets how many bytes of private writable memory this process, a child,
// may map (RLIMIT_DATA). A Go program needs 40 to 45 MB before it has allocated
// anything, and counts what its heap has mapped: 100 MB live need about 144 MB. Over
// it the Go runtime ends the process, which Exit.OOM reports. Now and then a thread of
// the collector faults on memory that it was refused before that is said; such a SIGSEGV
// cannot be told from another.
func LimitData(bytes int64) error {
	if bytes <= 0 {
		panic("process.LimitData: not a size")
	}
	limit := unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		return fmt.Errorf("process: limit data to %d bytes: %w", bytes, err)
	}
	return nil
}

// RaiseOOMScore adds to oom_score_adj of this process, a child, so that the kernel's
// OOM killer prefers it to its parent. The scale is -1000 to 1000.
func RaiseOOMScore(by int) error {
	const file = "/proc/self/oom_score_adj"
	if by < 0 {
		panic("process.RaiseOOMScore: only raising is allowed")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("process: %w", err)
	}
	now, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return fmt.Errorf("process: %s: %w", file, err)
	}
	if err := os.WriteFile(file, strconv.AppendInt(nil, int64(min(now+by, 1000)), 10), 0); err != nil {
		return fmt.Errorf("process: %w", err)
	}
	return nil
}
