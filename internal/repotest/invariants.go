package repotest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	definition = regexp.MustCompile(`^ *(?:- *)?([A-Z]{1,2}[0-9]+):`)
	label      = regexp.MustCompile(`\b[A-Z]{1,2}[0-9]+\b`)
	// citation is a label, or a list of them, alone in parentheses.
	citation = regexp.MustCompile(`(?:^|\W)\(([A-Z]{1,2}[0-9]+(?:(?:, | and |, and )[A-Z]{1,2}[0-9]+)*)\)`)
)

// A mention is a label and where it stands.
type mention struct {
	label, file string
	line        int
}

// invariantsHeld finds labels that a package doc defines and nothing cites, and
// labels that are cited and that no package doc defines.
func invariantsHeld(t *tree) (findings []string) {
	folders, all := byFolder(t.goFiles())
	defined := make(map[string]bool) // by label, in any folder
	var claims []mention             // citations that need a definition
	for _, folder := range folders {
		cited := make(map[string]bool)
		var definitions []mention
		for _, f := range all[folder] {
			if !f.test {
				definitions = append(definitions, definitionsIn(f)...)
			}
			claims = append(claims, claimsIn(f)...)
			for _, l := range citedIn(t, f) {
				cited[l] = true
			}
		}
		for i, d := range definitions {
			defined[d.label] = true
			switch {
			case slices.ContainsFunc(definitions[:i], func(e mention) bool { return e.label == d.label }):
				findings = append(findings, at(d.file, d.line, "%s is defined twice", d.label))
			case !cited[d.label]:
				findings = append(findings, at(d.file, d.line, "no test, assertion or comment in the folder cites %s", d.label))
			}
		}
	}
	for _, c := range claims {
		if !defined[c.label] {
			findings = append(findings, at(c.file, c.line, "cites %s, which no package doc defines", c.label))
		}
	}
	return findings
}

// definitionsIn returns the labels that a file's package doc defines.
func definitionsIn(f goFile) (all []mention) {
	if f.Doc == nil {
		return nil
	}
	eachLine(f, f.Doc, func(line int, text string) {
		if m := definition.FindStringSubmatch(text); m != nil {
			all = append(all, mention{m[1], f.name, line})
		}
	})
	return all
}

// claimsIn returns the labels that stand alone in parentheses in a file's
// comments, and those that begin what an assertion says.
func claimsIn(f goFile) (all []mention) {
	for _, group := range f.Comments {
		eachLine(f, group, func(line int, text string) {
			for _, m := range citation.FindAllStringSubmatch(text, -1) {
				for _, l := range label.FindAllString(m[1], -1) {
					all = append(all, mention{l, f.name, line})
				}
			}
		})
	}
	if f.test {
		return all // a test may try assertions out
	}
	for _, message := range assertions(f) {
		text, _ := strconv.Unquote(message.Value)
		if m := definition.FindStringSubmatch(text); m != nil {
			all = append(all, mention{m[1], f.name, f.line(message)})
		}
	}
	return all
}

// citedIn returns the labels that a file cites: anywhere in a test, elsewhere in
// assertions and in comments other than the package's doc.
func citedIn(t *tree, f goFile) (all []string) {
	if f.test {
		return label.FindAllString(t.text[f.name], -1)
	}
	for _, group := range f.Comments {
		if group != f.Doc {
			eachLine(f, group, func(_ int, text string) {
				all = append(all, label.FindAllString(text, -1)...)
			})
		}
	}
	for _, message := range assertions(f) {
		all = append(all, label.FindAllString(message.Value, -1)...)
	}
	return all
}

// eachLine calls do with the lines of a comment, without slashes and stars.
func eachLine(f goFile, group *ast.CommentGroup, do func(line int, text string)) {
	for _, c := range group.List {
		text := strings.TrimPrefix(c.Text, "//")
		if block, is := strings.CutPrefix(c.Text, "/*"); is {
			text = strings.TrimSuffix(block, "*/")
		}
		for i, line := range strings.Split(text, "\n") {
			do(f.line(c)+i, line)
		}
	}
}

// assertions returns the string literals among the arguments of panic and of the
// functions of package assert.
func assertions(f goFile) (messages []*ast.BasicLit) {
	ast.Inspect(f.File, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is {
			return true
		}
		id, is := call.Fun.(*ast.Ident)
		if is && id.Name == "panic" || isSelector(call.Fun, "assert", "") {
			for _, arg := range call.Args {
				if lit, is := arg.(*ast.BasicLit); is && lit.Kind == token.STRING {
					messages = append(messages, lit)
				}
			}
		}
		return true
	})
	return messages
}
