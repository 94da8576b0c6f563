//go:build futures_assert

package assert

import (
	"os"
	"sync"
)

var (
	dieAt   = os.Getenv("FUTURES_DIE_AT")
	dieOnce = os.Getenv("FUTURES_DIE_ONCE")
	dying   sync.Mutex
)

// Reach marks a point of the program at which a test may have its process die: with the
// point's name in the environment variable FUTURES_DIE_AT, the first process that gets
// there and can remove the file named by FUTURES_DIE_ONCE is killed.
func Reach(point string) {
	if dieAt != point {
		return
	}
	dying.Lock()
	defer dying.Unlock()
	if os.Remove(dieOnce) != nil {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
		select {} // no step further
	}
}
