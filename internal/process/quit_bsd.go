//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package process

import "golang.org/x/sys/unix"

// target chooses any thread.
func target(int) (tid int) { return 0 }

// quit sends SIGQUIT.
func (l *leader) quit(int) { _ = l.signal(unix.SIGQUIT) }
