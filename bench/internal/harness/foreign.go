package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Measure runs a foreign program to its end and returns the values that it has
// measured: the last line of its standard output is a JSON array of numbers. It is a
// JSON string instead if the program cannot be asked this, which is a [Decline]. A
// program that finds its work wrong says so on standard error and exits with a code
// other than 0.
func Measure(ctx context.Context, program string, args ...string) ([]float64, error) {
	var complaints tail
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &complaints
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(program), err, complaints.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	last := []byte(lines[len(lines)-1])
	var reason string
	if json.Unmarshal(last, &reason) == nil {
		return nil, Decline("%s", reason)
	}
	var values []float64
	if err := json.Unmarshal(last, &values); err != nil {
		return nil, fmt.Errorf("%s: its last line is no array of numbers: %q", filepath.Base(program), last)
	}
	return values, nil
}
