package repotest

import (
	"regexp"
	"strings"
)

// parityFile compares the library with Python, a behaviour a row. Package
// paritytest compares its rows with the tests, and reads them as parityRow does.
const parityFile = "docs/conformance.md"

var (
	parityID  = regexp.MustCompile(`^[A-Z]+-[0-9]+$`)
	parityRow = regexp.MustCompile(`^\| [A-Z]+-[0-9]+ \|`)
)

// parityIDs finds rows of the parity table without an id of the right form, and
// ids that two rows have. Rows are those of the tables whose first column is
// called id, and all that begin with an id.
func parityIDs(t *tree) (findings []string) {
	if !t.isFile(parityFile) {
		return []string{parityFile + " does not exist"}
	}
	lines := make(map[string]int) // by id
	const none, head, body, other = 0, 1, 2, 3
	table := none
	for i, text := range readMarkdown(t, parityFile).prose {
		if !strings.HasPrefix(strings.TrimSpace(text), "|") {
			table = none
			continue
		}
		first, _, _ := strings.Cut(strings.TrimSpace(text)[1:], "|")
		first = strings.TrimSpace(first)
		switch {
		case table == none && strings.EqualFold(first, "id"):
			table = head
			continue
		case table == none:
			table = other
		case table == head: // the row of dashes
			table = body
			continue
		}
		switch {
		case table == other && !parityID.MatchString(first):
		case !parityRow.MatchString(text):
			findings = append(findings, at(parityFile, i+1, "%q does not begin a row as | F-01 | does", first))
		case lines[first] > 0:
			findings = append(findings, at(parityFile, i+1, "%s stands at line %d already", first, lines[first]))
		default:
			lines[first] = i + 1
		}
	}
	if len(lines) == 0 && len(findings) == 0 {
		findings = append(findings, at(parityFile, 1, "no row has an id"))
	}
	return findings
}
