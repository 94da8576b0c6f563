package process

import (
	"syscall"
	"testing"
)

// How long after a parent is killed are its busy child and the child's child gone?
func BenchmarkParentKilled(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		p, _, child, grandchild := launchFamily(b, "middle", "family", "near", "spin")
		childGone, grandchildGone := follow(b, "child", child), follow(b, "grandchild", grandchild)
		b.StartTimer()
		if err := p.Signal(syscall.SIGKILL); err != nil {
			b.Fatal(err)
		}
		childGone()
		grandchildGone()
	}
}
