//go:build !linux

package family

import (
	"errors"
	"os"
)

// There are no families on these systems, so none of these is reached.

func duplicate(*os.File) (int, error) { return -1, errors.ErrUnsupported }
func closeDescriptor(int)             {}
