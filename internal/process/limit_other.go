//go:build !linux

package process

import "fmt"

// LimitData is for Linux only.
func LimitData(bytes int64) error { return fmt.Errorf("process: limit data: %w", errUnsupported) }

// RaiseOOMScore is for Linux only.
func RaiseOOMScore(by int) error { return fmt.Errorf("process: oom score: %w", errUnsupported) }
