//go:build race

package wake

import (
	"runtime"
	"unsafe"
)

// hb is an address by which the race detector is told what happens before what.
type hb struct{ _ [1]byte }

func (h *hb) release() { runtime.RaceReleaseMerge(unsafe.Pointer(h)) }
func (h *hb) acquire() { runtime.RaceAcquire(unsafe.Pointer(h)) }
