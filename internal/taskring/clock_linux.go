package taskring

import "golang.org/x/sys/unix"

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("taskring: clock_gettime: " + err.Error())
	}
	return t.Nano()
}
