//go:build !race

package procpool

func raceEnvironment() []string { return nil }
