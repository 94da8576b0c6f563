package ipc

import "testing"

// StartRings makes the rings of a test begin with such a cursor, to have them near their
// wrap-around.
func StartRings(t *testing.T, position, count uint32) {
	firstCursor.Store(uint64(cursorAt(position, count)))
	t.Cleanup(func() { firstCursor.Store(0) })
}
