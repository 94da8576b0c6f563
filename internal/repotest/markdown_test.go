package repotest

import (
	"slices"
	"strings"
	"testing"
)

var markdownRules = []rule{
	{
		name:  "links resolve",
		check: linksResolve,
		samples: []sample{
			{files{
				"a.md": "# A b\n[b](docs/b.md) [c](docs/b.md#the-c-d) [here](#a-b) [dir](docs/) [x](https://e.com/no) [y](mailto:a@e.com)\n\n    F[T](no)\n\n" +
					"`[code](no)` and `code\n[too](no)`\n\n```\n[code](no)\n```\n",
				"docs/b.md": "# B\n## The `C`, *d*!\n[up](../a.md)\n[go](../a.go#L1-L2)\n[ref]: ../a.go\n## The C d\n[twice](#the-c-d-1) [s](<b (1).md>) [p](b_(1).md 'title')\n",
				"a.go":      "package a\n\n", "docs/b (1).md": "", "docs/b_(1).md": "",
			}, ""},
			{files{"a.md": "text\n[b](b.md)"}, "a.md:2: b.md does not exist"},
			{files{"a.md": "- item\n\n    [b](b.md)"}, "a.md:3: b.md"},
			{files{"a.md": "[`b`](b.md)"}, "a.md:1: b.md"},
			{files{"a.md": "a ` tick\n\n[b](b.md) and ` tick"}, "a.md:3: b.md"},
			{files{"a.md": "`code\nspan` [b](b.md) `more\ncode`"}, "a.md:2: b.md"},
			{files{"a.md": "[![plot](b.svg \"title\")](c.md)"}, "a.md:1: b.svg\na.md:1: c.md"},
			{files{"a.md": "[b](b_(1).md)"}, "a.md:1: b_(1).md"},
			{files{"a.md": "[b](<b c.md>)"}, "a.md:1: b c.md"},
			{files{"a.md": "[b]: b.md"}, "a.md:1: b.md"},
			{files{"a.md": "<img src=\"b.svg\">"}, "a.md:1: b.svg"},
			{files{"docs/a.md": "[b](../../b.md)"}, "docs/a.md:1: ../../b.md"},
			{files{"a.md": "[b](/b.md)", "b.md": ""}, "a.md:1: /b.md"},
			{files{"a.md": "# A\n[b](#b)"}, "a.md:2: a.md has no heading #b"},
			{files{"a.md": "[b](b.md#c)", "b.md": "# B\n```\n# c\n```"}, "a.md:1: b.md has no heading #c"},
			{files{"a.md": "[b](b.go#L3)", "b.go": "package b\n"}, "a.md:1: b.go has no line 3"},
			{files{"a.md": "[b](b.go#b)", "b.go": "package b\n"}, "a.md:1: b.go has no #b"},
		},
	},
	{
		name:  "documents in comments exist",
		check: commentsResolve,
		samples: []sample{
			{files{"a/a.go": "package a\n\n// See docs/b.md, e.com/docs/no.md and [docs/b.md].\nvar _ = \"docs/no.md\"", "docs/b.md": ""}, ""},
			{files{"a/a.go": "package a\n// See docs/b.md."}, "a/a.go:2: docs/b.md does not exist"},
		},
	},
	{
		name:  "programs and excerpts are real",
		check: programsReal,
		samples: []sample{
			{files{
				"README.md":          "<!-- program: examples/a/main.go -->\n```go\n// A does.\npackage main\n\nfunc main() {}\n```\n",
				"docs/guide/g.md":    "<!-- excerpt: a/example_test.go -->\n```go\nif x {\n\ty()\n\n\tz()\n}\n```\n```sh\nls\n```\n```text\nx\n```\n",
				"examples/a/main.go": "// A does.\npackage main\n\nfunc main() {}\n",
				"a/example_test.go":  "package a\n\nfunc Example() {\n\tif x {\n\t\ty()\n\n\t\tz()\n\t}\n}\n",
				"docs/free.md":       "```go\nanything\n```\n",
			}, ""},
			{files{"README.md": "text\n```go\nf()\n```\n"}, "README.md:2: a block of Go without its source"},
			{files{"README.md": "```go\nf()\n```\n"}, "README.md:1: a block of Go without its source"},
			{files{"README.md": "<!-- excerpt: a.go -->\n\n```go\nf()\n```\n", "a.go": "f()"}, "README.md:3: a block of Go without\nREADME.md:1: a comment that no block of Go follows"},
			{files{"README.md": "<!-- excerpt: a.go -->\n```sh\nf()\n```\n", "a.go": "f()"}, "README.md:1: a comment that no block of Go follows"},
			{files{"README.md": "<!-- excerpt: a.go -->\n```go\nf()\n```\n"}, "README.md:2: a.go does not exist"},
			{files{"README.md": "<!-- excerpt: a.txt -->\n```go\nf()\n```\n", "a.txt": "f()"}, "README.md:2: a.txt does not exist, or is not Go"},
			{files{"README.md": "<!-- excerpt: a.go -->\n```go\nf()\n```\n", "a.go": "g()"}, "README.md:2: a.go does not contain this"},
			{files{"README.md": "<!-- excerpt: a.go -->\n```go\n...\n```\n", "a.go": "f()"}, "README.md:2: the block is empty"},
			{files{"docs/guide/g.md": "1. item\n   ```go\n   f()\n   ```\n"}, "docs/guide/g.md:2: a block of Go without its source"},
			{files{"docs/guide/g.md": "- ```go\n  f()\n  ```\n"}, "docs/guide/g.md:1: a block of Go without its source"},
			{files{"README.md": "<!-- excerpt: examples/a/main.go -->\n```go\npackage main\n```\n", "examples/a/main.go": "package main\n"}, "README.md:2: a program is shown whole"},
			{files{"README.md": "<!-- program: examples/a/main.go -->\n```go\nf()\n```\n", "examples/a/main.go": "f()\n"}, "README.md:2: a part of a program is an excerpt"},
			{files{"README.md": "<!-- program: a/main.go -->\n```go\npackage main\n```\n", "a/main.go": "package main\n"}, "README.md:2: a/main.go is not under examples"},
			{files{"README.md": "<!-- program: examples/a/main.go -->\n```go\npackage main\n```\n", "examples/a/main.go": "package main\n\nfunc main() {}\n"}, "README.md:2: differs from examples/a/main.go at line 2"},
			{files{"README.md": "<!-- program: examples/a/main.go -->\n```go\npackage main\n"}, "README.md:2: the block does not end"},
		},
	},
	{
		name:  "parity table has good ids",
		check: parityIDs,
		samples: []sample{
			{files{parityFile: "| other |\n|---|\n| x |\n\n| ID | Python |\n|----|---|\n| W-02 | a |\n| AC-1 | b \\| c |\n"}, ""},
			{files{"README.md": "# No table yet"}, "docs/conformance.md does not exist"},
			{files{parityFile: "# Parity\n"}, "docs/conformance.md:1: no row"},
			{files{parityFile: "| id | x |\n|---|---|\n"}, "docs/conformance.md:1: no row"},
			{files{parityFile: "```\n| W-1 | x |\n```\n"}, "docs/conformance.md:1: no row"},
			{files{parityFile: "| id | x |\n|---|---|\n| W-1 | x |\n| W-2a | x |\n"}, `docs/conformance.md:4: "W-2a" does not begin`},
			{files{parityFile: "| id | x |\n|---|---|\n| W-1 | x |\n|W-2 | x |\n  | W-3 | x |\n"}, `docs/conformance.md:4: "W-2" does not begin` + "\n" + `docs/conformance.md:5: "W-3" does not begin`},
			{files{parityFile: "| id | x |\n|---|---|\n| W-1 | x |\n\n| x | y |\n|---|---|\n| W-1 | x |\n"}, "docs/conformance.md:7: W-1 stands at line 3 already"},
		},
	},
	{
		name:  "README shows a program and commands first",
		check: firstImpression,
		samples: []sample{
			{files{"README.md": strings.Repeat("\n", 30) + "```go\n" + strings.Repeat("f()\n", 20) + "```\n```sh\nls\n```\n"}, ""},
			{files{}, "README.md does not exist"},
			{files{"README.md": "# R\n"}, "README.md: no ```go block\nREADME.md: no ```sh block"},
			{files{"README.md": "```go\n" + strings.Repeat("f()\n", 21) + "```\n```sh\nls\n```\n"}, "no ```go block of at most 20"},
			{files{"README.md": "```go\nf()\n```\n" + strings.Repeat("\n", 55) + "```sh\nls\n```\n"}, "no ```sh block among the first 60"},
			{files{"README.md": "```go\n```\n```sh\n\n```\n"}, "no ```go block\nno ```sh block"},
		},
	},
	{
		name:  "CHANGELOG has a place for changes",
		check: changesListed,
		samples: []sample{
			{files{"CHANGELOG.md": "# C\n\n## [Unreleased]\n"}, ""},
			{files{}, "CHANGELOG.md does not exist"},
			{files{"CHANGELOG.md": "## [1.0.0]\n"}, "CHANGELOG.md: no section"},
			{files{"CHANGELOG.md": "```\n## [Unreleased]\n```\n"}, "CHANGELOG.md: no section"},
		},
	},
}

// TestAnchors compares with the anchors that GitHub gives to these headings.
func TestAnchors(t *testing.T) {
	for heading, want := range map[string]string{
		"# What it costs":                       "what-it-costs",
		"## Processes, *not* threads!":          "processes-not-threads",
		"### `Future[T]` and `Map(ctx, ...)`":   "futuret-and-mapctx-",
		"## The `_test.go` files":               "the-_testgo-files",
		"## An _emphasis_ and snake_case":       "an-emphasis-and-snake_case",
		"## See [the `guide`](docs/guide.md) x": "see-the-guide-x",
		"## a - b":                              "a---b",
		"## Größe 2 ##":                         "größe-2",
		"## R&amp;D <br> x":                     "rd--x",
		"Underlined\n==========":                "underlined",
		"Second\n---":                           "second",
		"## a\n## a\n## a-1":                    "a a-1 a-1-1",
		"<a id=\"x\"></a>text":                  "x",
		"| a |\n|---|":                          "",
		"text\n\n---":                           "",
		"#hash":                                 "",
	} {
		got := strings.Join(readMarkdown(files{"a.md": heading}.tree(t), "a.md").anchors(), " ")
		if got != want {
			t.Errorf("%q has the anchor %q, want %q", heading, got, want)
		}
	}
}

// TestExcerpts tells which excerpts of a file are in it.
func TestExcerpts(t *testing.T) {
	const file = "func f() {\n\tif x {\n\t\ta()\n\n\t\tb()\n\t}\n\ta()\n\tc()  \n}\n"
	for _, test := range []struct {
		excerpt string
		want    bool
	}{
		{"if x {\n\ta()\n\n\tb()\n}", true},
		{"    if x {\n    \ta()", true}, // a list's indentation
		{"\ta()\n}\na()\nc()", false},   // b is missing
		{"\tb()\n}\na()\nc()", true},    // the first line is not the outermost
		{"a()\nc()", true},
		{"a()\n  c()", false},
		{"a()\nb()", false},
		{"func f() {\n\t...\n\tc()\n}", true},
		{"func f() {\n// ...\n}", true},
		{"...\na()\nc()\n...", true},
		{"if x {\n\t// ...\n}\na()", true},
		{"if x {\n\t// ... then\n}\na()", false},
		{"c()\n...\na()", false}, // not in this order
		{"a()\n...\na()", false}, // not with one indentation
		{"if x {\n...\na()\n...\na()", false},
		{"if x {\n\n\ta()", false},
		{"c()\n}\n}", false},
	} {
		parts := split(strings.Split(test.excerpt, "\n"))
		if got := contains(strings.Split(file, "\n"), parts); got != test.want {
			t.Errorf("%q: got %v", test.excerpt, got)
		}
	}
	if got := split([]string{"", "\ta", "", "...", "\t\tb", "...", ""}); !slices.EqualFunc(got, [][]string{{"a"}, {"\tb"}}, slices.Equal) {
		t.Errorf("parts are %q", got)
	}
}
