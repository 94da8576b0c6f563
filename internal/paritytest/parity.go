// Package paritytest compares docs/conformance.md with the tests that hold it:
// each row that is not n/a must have a subtest that passes and whose name begins
// with the row's id.
package paritytest

import (
	"bufio"
	"regexp"
	"strings"
)

var rowPattern = regexp.MustCompile(`^\| ([A-Z]+-[0-9]+) \|`)

// rows returns the ids of a parity table that are to be tested, and those that
// are n/a.
func rows(markdown string) (tested, notApplicable []string) {
	lines := bufio.NewScanner(strings.NewReader(markdown))
	for lines.Scan() {
		m := rowPattern.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		cells := strings.Split(strings.Trim(lines.Text(), "|"), "|")
		if verdict := strings.TrimSpace(cells[len(cells)-1]); strings.HasPrefix(verdict, "n/a: ") {
			notApplicable = append(notApplicable, m[1])
		} else {
			tested = append(tested, m[1])
		}
	}
	return tested, notApplicable
}

var (
	passPattern = regexp.MustCompile(`^ *--- PASS: [^ ]*/((?:[A-Z]+-[0-9]+_)+)`)
	idPattern   = regexp.MustCompile(`[A-Z]+-[0-9]+`)
)

// passed returns the ids of the subtests that passed in the output of go test -v.
func passed(output string) map[string]bool {
	ids := make(map[string]bool)
	for line := range strings.Lines(output) {
		if m := passPattern.FindStringSubmatch(line); m != nil {
			for _, id := range idPattern.FindAllString(m[1], -1) {
				ids[id] = true
			}
		}
	}
	return ids
}
