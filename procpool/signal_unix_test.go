//go:build unix

package procpool_test

import (
	"os"
	"syscall"
)

func init() {
	signalSelf = func(name string) {
		sig := map[string]syscall.Signal{"SIGSEGV": syscall.SIGSEGV, "SIGKILL": syscall.SIGKILL}[name]
		_ = syscall.Kill(os.Getpid(), sig)
	}
}
