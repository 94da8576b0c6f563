//go:build !race

package main

import (
	"context"
	"fmt"
	"runtime"
)

// loseSome counts without a lock. The race detector refuses such a program, so a
// build with -race has the other one of this name.
func loseSome(ctx context.Context) (string, error) {
	unlocked := 0
	err := count(ctx, func() {
		read := unlocked
		runtime.Gosched() // as if something took its time here; others come in between
		unlocked = read + 1
	})
	return fmt.Sprintf("without: %d of %d, so %d were lost", unlocked, expected, expected-unlocked), err
}
