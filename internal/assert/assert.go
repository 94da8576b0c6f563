// Package assert checks invariants that cost too much to be checked always. With
// the build tag futures_assert a violation panics with the invariant's label;
// without it the checks are compiled away.
//
//	if assert.Enabled {
//		assert.That(running <= limit, "G1: %d tasks run with %d slots", running, limit)
//	}
package assert

import "fmt"

// That panics unless holds is true. It is called inside `if Enabled`, so that its
// arguments cost nothing otherwise.
func That(holds bool, format string, args ...any) {
	if !holds {
		panic("invariant violated: " + fmt.Sprintf(format, args...))
	}
}
