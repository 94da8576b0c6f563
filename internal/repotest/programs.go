package repotest

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// source is the comment on the line before a block of Go.
var source = regexp.MustCompile(`^\s*<!-- (program|excerpt): (\S+) -->\s*$`)

// programsReal finds blocks of Go in README.md and the guide that are not what
// stands in the file that they name, or that name none.
func programsReal(t *tree) (findings []string) {
	for _, name := range t.names() {
		if guide, _ := path.Match("docs/guide/*.md", name); !guide && name != "README.md" {
			continue
		}
		d := readMarkdown(t, name)
		used := make(map[int]bool) // indexes of comments that a block follows
		for _, b := range d.blocks {
			if !isGo(b) {
				continue
			}
			var m []string
			if before := b.line - 2; before >= 0 {
				m = source.FindStringSubmatch(d.prose[before])
				used[before] = true
			}
			if problem := blockProblem(t, b, m); problem != "" {
				findings = append(findings, at(name, b.line, "%s", problem))
			}
		}
		for i, text := range d.prose {
			if source.MatchString(text) && !used[i] {
				findings = append(findings, at(name, i+1, "a comment that no block of Go follows"))
			}
		}
	}
	return findings
}

func isGo(b block) bool { return b.language == "go" || b.language == "golang" }

// blockProblem tells what is wrong with a block of Go, given the match of source
// for the comment before it, if there is one.
func blockProblem(t *tree, b block, comment []string) string {
	if !b.closed {
		return "the block does not end"
	}
	if comment == nil {
		return "a block of Go without its source: <!-- program: ... --> or <!-- excerpt: ... --> stands on the line before it"
	}
	kind, file := comment[1], comment[2]
	switch {
	case isProgram(b) && kind != "program":
		return "a program is shown whole: <!-- program: ... -->"
	case kind == "program" && !isProgram(b):
		return "a part of a program is an excerpt: <!-- excerpt: ... -->"
	case kind == "program" && !strings.HasPrefix(file, "examples/"):
		return file + " is not under examples"
	case path.Ext(file) != ".go" || !t.isFile(file):
		return file + " does not exist, or is not Go"
	case kind == "program":
		have := t.lines(file)
		for i := range max(len(have), len(b.lines)) {
			if i >= len(have) || i >= len(b.lines) || have[i] != b.lines[i] {
				return fmt.Sprintf("differs from %s at line %d of it", file, i+1)
			}
		}
		return ""
	}
	parts := split(b.lines)
	if len(parts) == 0 {
		return "the block is empty"
	}
	if !contains(t.lines(file), parts) {
		return file + " does not contain this"
	}
	return ""
}

// isProgram reports whether a block begins with package main, but for comments.
func isProgram(b block) bool {
	for _, text := range b.lines {
		text = strings.TrimSpace(text)
		if text != "" && !strings.HasPrefix(text, "//") {
			return text == "package main" || strings.HasPrefix(text, "package main ")
		}
	}
	return false
}

// split returns the parts of an excerpt that stand between lines of three dots,
// without the indentation that all of its lines have, and without blank lines
// around the parts.
func split(excerpt []string) (parts [][]string) {
	var part []string
	end := func() {
		for len(part) > 0 && part[len(part)-1] == "" {
			part = part[:len(part)-1]
		}
		if len(part) > 0 {
			parts = append(parts, part)
		}
		part = nil
	}
	common := commonIndent(excerpt)
	for _, text := range excerpt {
		if isGap(text) {
			end()
			continue
		}
		text = strings.TrimRight(strings.TrimPrefix(text, common), " \t")
		if text != "" || len(part) > 0 {
			part = append(part, text)
		}
	}
	end()
	return parts
}

// isGap reports whether a line of an excerpt is any number of lines in the file.
func isGap(text string) bool {
	text = strings.TrimSpace(text)
	return text == "..." || text == "// ..."
}

// commonIndent returns the white space that all lines begin with, gaps and blank
// ones aside.
func commonIndent(lines []string) string {
	common, first := "", true
	for _, text := range lines {
		bare := strings.TrimLeft(text, " \t")
		if bare == "" || isGap(text) {
			continue
		}
		indent := strings.TrimSuffix(text, bare)
		if first {
			common, first = indent, false
		}
		for !strings.HasPrefix(indent, common) {
			common = common[:len(common)-1]
		}
	}
	return common
}

// contains reports whether lines has all parts, one after the other, indented as
// a whole by any amount.
func contains(lines []string, parts [][]string) bool {
	for start, text := range lines {
		indent, found := strings.CutSuffix(strings.TrimRight(text, " \t"), parts[0][0])
		if found && strings.TrimSpace(indent) == "" && containsAt(lines[start:], parts, indent) {
			return true
		}
	}
	return false
}

// containsAt is contains for an indentation, with the first part at the beginning.
// That the others are taken where they are found first loses nothing.
func containsAt(lines []string, parts [][]string, indent string) bool {
	if !beginsWith(lines, parts[0], indent) {
		return false
	}
	lines = lines[len(parts[0]):]
	for _, part := range parts[1:] {
		for !beginsWith(lines, part, indent) {
			if len(lines) == 0 {
				return false
			}
			lines = lines[1:]
		}
		lines = lines[len(part):]
	}
	return true
}

func beginsWith(lines, part []string, indent string) bool {
	if len(lines) < len(part) {
		return false
	}
	for i, want := range part {
		if want != "" {
			want = indent + want
		}
		if strings.TrimRight(lines[i], " \t") != want {
			return false
		}
	}
	return true
}
