//go:build race

package procpool

import "os"

// raceEnvironment keeps the race detector of a worker from sleeping for a second when
// the worker exits, unless it has been told something else.
func raceEnvironment() []string {
	if os.Getenv("GORACE") != "" {
		return nil
	}
	return []string{"GORACE=atexit_sleep_ms=0"}
}
