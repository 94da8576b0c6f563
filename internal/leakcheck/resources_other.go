//go:build !linux

package leakcheck

func resources() map[string]string { return nil }
