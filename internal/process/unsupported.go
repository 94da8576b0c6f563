//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd || windows)

package process

import (
	"os"
	"syscall"
)

type leader struct{ pid int }

func startLeader(*Spec, string, *os.File, *os.File) (*leader, error) { return nil, errUnsupported }

func (*leader) await() bool                 { return false }
func (*leader) signal(syscall.Signal) error { return errUnsupported }
func (*leader) quit(int)                    {}
func (*leader) killGroup()                  {}
func (*leader) reap() Exit                  { return Exit{Code: -1} }

func target(int) (tid int) { return 0 }

func newPipe() (r, w *os.File, err error) { return nil, nil, errUnsupported }

func readNow(*os.File, []byte) int { return 0 }

func marked() bool { return false }

func harden() error { return nil }

// ChildFile is for systems that have children.
func ChildFile(int) uintptr { panic("process.ChildFile: not on this system") }
