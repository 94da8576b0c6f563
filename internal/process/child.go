package process

import "sync/atomic"

// markerKey is the environment variable that Start gives to a child. Its value is bound
// to this child: see newMarker. HardenChild removes it, so that it does not spread.
const markerKey = "FUTURES_PROCESS"

var hardened atomic.Bool // HardenChild has made this process a hardened child

// IsChild reports whether this process has been started by Start. It is the same before
// and after HardenChild. A child of a child that has only inherited the environment
// is none.
func IsChild() bool { return hardened.Load() || marked() }

// HardenChild is what a child calls first thing in main, before it starts processes or
// user code runs. It
//
//   - takes hold of the life line, so that this process and its group end with the
//     parent (P4); if the parent is dead already, that happens before it returns,
//   - marks descriptors from 3 on close-on-exec, so that they do not spread (P8),
//   - removes the mark of a child from the environment.
//
// In a process that is no child it does nothing and returns false. After an
// error the child should exit. The life line keeps a thread and a goroutine for as
// long as the process lives.
func HardenChild() (child bool, err error) {
	if hardened.Load() || !marked() {
		return hardened.Load(), nil
	}
	if err := harden(); err != nil {
		return true, err
	}
	hardened.Store(true)
	return true, nil
}
