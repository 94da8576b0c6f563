//go:build !linux

package taskring

// monotonic is of no use where nothing can be shared.
func monotonic() int64 { return 0 }
