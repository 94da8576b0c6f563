//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package process

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newMarker returns the mark of the child that gets the life line end as descriptor
// number: the variable's value is the number, the pipe's inode, and the parent.
func newMarker(number, end int) (string, error) {
	inode, err := pipeInode(end)
	return fmt.Sprintf("%s=%d %d %d", markerKey, number, inode, os.Getpid()), err
}

func pipeInode(fd int) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return 0, os.ErrInvalid
	}
	return uint64(stat.Ino), nil
}

// lifeLine returns the descriptor of the life line that the environment names, and
// whether its parent is this process's.
func lifeLine() (fd int, ours, ok bool) {
	var inode uint64
	var parent int
	if n, _ := fmt.Sscanf(os.Getenv(markerKey), "%d %d %d", &fd, &inode, &parent); n != 3 {
		return -1, false, false
	}
	if found, err := pipeInode(fd); err != nil || found != inode {
		return -1, false, false
	}
	return fd, os.Getppid() == parent, true
}

// marked reports whether the mark is meant for this process. A child whose
// parent died before it looked cannot be told from a child's child that has inherited
// all descriptors, but both are to end (P4).
func marked() bool {
	fd, ours, ok := lifeLine()
	if ok && !ours && ended(fd) {
		killOwnGroup()
	}
	return ok && ours
}

func harden() error {
	fd, _, _ := lifeLine()
	if err := os.Unsetenv(markerKey); err != nil {
		return err
	}
	if err := closeOnExecFrom(3); err != nil {
		return fmt.Errorf("process: harden child: close-on-exec: %w", err)
	}
	armLifeLine(fd, os.Getpid())
	if ended(fd) { // before it was armed
		killOwnGroup()
	}
	watching := make(chan struct{})
	go watchLifeLine(fd, watching)
	<-watching
	return nil
}

// ended reports whether nobody has the write end of a pipe.
func ended(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	for err == unix.EINTR {
		n, err = unix.Poll(fds, 0)
	}
	return n > 0 && fds[0].Revents&unix.POLLHUP != 0
}

// watchLifeLine blocks a thread, not only a goroutine, in the read: a descriptor in use
// by a thread stays open whoever closes its number.
func watchLifeLine(fd int, watching chan<- struct{}) {
	close(watching)
	var buf [1]byte
	_, err := unix.Read(fd, buf[:])
	for err == unix.EINTR {
		_, err = unix.Read(fd, buf[:])
	}
	killOwnGroup()
}

// killOwnGroup ends this process, and its group if it is still the leader.
func killOwnGroup() {
	pid := os.Getpid()
	if unix.Getpgrp() == pid {
		_ = unix.Kill(-pid, unix.SIGKILL)
	}
	_ = unix.Kill(pid, unix.SIGKILL)
}

// ChildFile returns, in a hardened child, the descriptor or handle that it has of
// Spec.Files[i]: 3+i but on Windows.
func ChildFile(i int) uintptr { return uintptr(3 + i) }
