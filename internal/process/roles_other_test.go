//go:build !linux

package process

var systemRoles map[string]func(args []string)
