package repotest

import (
	"fmt"
	"slices"
	"strings"
)

const (
	firstScreen  = 60 // lines of README.md
	firstProgram = 20 // lines of Go on it
)

// firstImpression finds what is missing from the first screen of README.md: a
// short program, and commands.
func firstImpression(t *tree) (findings []string) {
	if !t.isFile("README.md") {
		return []string{"README.md does not exist"}
	}
	var program, commands bool
	for _, b := range readMarkdown(t, "README.md").blocks {
		seen := b.closed && b.end() <= firstScreen && strings.TrimSpace(strings.Join(b.lines, "")) != ""
		program = program || seen && isGo(b) && len(b.lines) <= firstProgram
		commands = commands || seen && b.language == "sh"
	}
	if !program {
		findings = append(findings, fmt.Sprintf("README.md: no ```go block of at most %d lines among the first %d", firstProgram, firstScreen))
	}
	if !commands {
		findings = append(findings, fmt.Sprintf("README.md: no ```sh block among the first %d lines", firstScreen))
	}
	return findings
}

// changesListed finds a CHANGELOG.md without a section for what comes next.
func changesListed(t *tree) []string {
	switch {
	case !t.isFile("CHANGELOG.md"):
		return []string{"CHANGELOG.md does not exist"}
	case !slices.Contains(readMarkdown(t, "CHANGELOG.md").prose, "## [Unreleased]"):
		return []string{"CHANGELOG.md: no section ## [Unreleased]"}
	}
	return nil
}
