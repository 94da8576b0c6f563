//go:build !windows && (!unix || solaris || illumos || aix)

package filelock

import (
	"errors"
	"os"
)

func open(string) (*os.File, error) { return nil, errors.ErrUnsupported }
