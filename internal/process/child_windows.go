package process

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// newMarker returns the mark of a child that inherits the handles: the variable's value
// is the parent and then the handles.
func newMarker(handles []syscall.Handle) string {
	marker := fmt.Sprintf("%s=%d", markerKey, os.Getpid())
	for _, h := range handles {
		marker += fmt.Sprintf(" %d", h)
	}
	return marker
}

// marked reports whether the mark is meant for this process.
func marked() bool {
	parent, _, _ := strings.Cut(os.Getenv(markerKey), " ")
	return parent == strconv.Itoa(os.Getppid())
}

var childFiles []uintptr // set by harden

// harden keeps the handles to itself. The job does the rest.
func harden() error {
	for _, field := range strings.Fields(os.Getenv(markerKey))[1:] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return fmt.Errorf("process: harden child: handle %q: %w", field, err)
		}
		if err := syscall.SetHandleInformation(syscall.Handle(n), syscall.HANDLE_FLAG_INHERIT, 0); err != nil {
			return fmt.Errorf("process: harden child: handle %d: %w", n, err)
		}
		childFiles = append(childFiles, uintptr(n))
	}
	return os.Unsetenv(markerKey)
}

// ChildFile returns, in a hardened child, the handle that it has of Spec.Files[i].
func ChildFile(i int) uintptr { return childFiles[i] }
