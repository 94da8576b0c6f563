package repotest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

var textRules = []rule{
	{
		name:  "no forbidden text",
		check: noForbiddenText,
		samples: []sample{
			{files{"a.md": "TO" + "DO is for lists", "a.go": "package a // todo", "testdata/a": "/wo" + "rk/x", "testdata/a.go": "// TO" + "DO"}, ""},
			{files{"a.bin": "\x00/ro" + "ot/x", "b.bin": "\xff/ro" + "ot/x"}, ""},
			{files{"a/a.go": "package a\n// TO" + "DO: later"}, "a/a.go:2: \"TO" + "DO"},
			{files{"a/a_test.go": "package a\n// FIX" + "ME"}, "a/a_test.go:2: \"FIX" + "ME"},
			{files{"a.sh": "# TO" + "DO"}, "a.sh:1: \"TO" + "DO"},
			{files{".ci/run": "# FIX" + "ME"}, ".ci/run:1: \"FIX" + "ME"},
			{files{"a.md": "see `/wo" + "rk/main`"}, "a.md:1: \"/wo" + "rk/"},
			{files{"Makefile": "cd /ro" + "ot/x"}, "Makefile:1: \"/ro" + "ot/"},
			{files{"go.env": "GOPROXY=https://proxy.gol" + "ang.org"}, "go.env:1: \"proxy.gol" + "ang.org"},
		},
	},
	{
		name:  "files are short",
		check: func(t *tree) []string { return filesShort(t, mayBeLong) },
		samples: []sample{
			{files{"a.go": strings.Repeat("\n", maxLines), "go.sum": strings.Repeat("\n", 9999), "a.md": strings.Repeat("\n", 9999)}, ""},
			{files{"a.go": strings.Repeat("\n", maxLines+1)}, fmt.Sprintf("a.go: %d lines", maxLines+1)},
		},
	},
	{
		name:    "scripts run",
		check:   scriptsRun,
		program: "bash",
		samples: append([]sample{
			{files{"a.sh*": "if true; then echo; fi\n", "a.py": "#!/usr/bin/env python3\nif x: then", ".ci/run*": "ls"}, ""},
			{files{"a.sh*": "if true; then\n"}, "a.sh: "},
			{files{".ci/run*": "((\n"}, ".ci/run: "},
			{files{"x/hook*": "#!/bin/sh\n((\n"}, "x/hook: "},
		}, notExecutable...),
	},
}

// notExecutable are samples of what Windows does not know.
var notExecutable = map[bool][]sample{
	false: {
		{files{"a.sh": "ls\n"}, "a.sh: is not executable"},
		{files{".ci/run": "((\n"}, ".ci/run: exit\n.ci/run: is not executable"},
	},
}[runtime.GOOS == "windows"]

// TestLongFiles checks the exceptions, which the samples of the rule do not have.
func TestLongFiles(t *testing.T) {
	long := strings.Repeat("\n", maxLines+1)
	exceptions := map[string]string{"a.go": "a reason"}
	for _, test := range []struct {
		files files
		want  string
	}{
		{files{"a.go": long}, ""},
		{files{"a.go": ""}, "a.go: has an entry in mayBeLong and needs none"},
		{files{"b.go": ""}, "a.go: has an entry in mayBeLong and does not exist"},
	} {
		if got := strings.Join(filesShort(test.files.tree(t), exceptions), "; "); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
