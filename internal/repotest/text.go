package repotest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// forbidden are texts that no text file contains, but for those in testdata. They
// stand here in two pieces each.
var forbidden = []struct {
	text   string
	inCode bool // in Go and in scripts only
	reason string
}{
	{"TO" + "DO", true, "what is left to do is an issue"},
	{"FIX" + "ME", true, "what is broken is an issue"},
	{"/wo" + "rk/", false, "a path of one machine means nothing on others"},
	{"/ro" + "ot/", false, "a path of one machine means nothing on others"},
	{"proxy.go" + "lang.org", false, "where modules come from is the user's GOPROXY"},
}

// noForbiddenText finds texts that forbidden lists.
func noForbiddenText(t *tree) (findings []string) {
	for _, name := range t.names() {
		if inTestdata(name) || !t.isText(name) {
			continue
		}
		code := path.Ext(name) == ".go" || isScript(t, name)
		for i, line := range t.lines(name) {
			for _, f := range forbidden {
				if (code || !f.inCode) && strings.Contains(line, f.text) {
					findings = append(findings, at(name, i+1, "%q: %s", f.text, f.reason))
				}
			}
		}
	}
	return findings
}

const maxLines = 600

// mayBeLong are files of Go over maxLines, with the reason.
var mayBeLong = map[string]string{}

// filesShort finds files of Go over maxLines that are no exceptions, and
// exceptions that are not needed.
func filesShort(t *tree, exceptions map[string]string) (findings []string) {
	for _, name := range t.names() {
		lines, long := strings.Count(t.text[name], "\n"), exceptions[name] != ""
		switch {
		case path.Ext(name) == ".go" && lines > maxLines && !long:
			findings = append(findings, fmt.Sprintf("%s: %d lines are more than %d, and the table mayBeLong has no reason", name, lines, maxLines))
		case lines <= maxLines && long:
			findings = append(findings, name+": has an entry in mayBeLong and needs none")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(exceptions)) {
		if !t.isFile(name) {
			findings = append(findings, name+": has an entry in mayBeLong and does not exist")
		}
	}
	return findings
}
