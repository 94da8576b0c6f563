package repotest

import (
	"path"
	"slices"
	"strings"
)

// rootMayRequire is everything that users of the library inherit.
var rootMayRequire = map[string]string{
	"golang.org/x/sys":             "system calls that package syscall lacks",
	"github.com/fxamacker/cbor/v2": "RFC 8949 with bounds against hostile input, spoken by other languages",
	"github.com/x448/float16":      "needed by cbor",
}

// outsideWorkspace are modules that are not in go.work.
var outsideWorkspace = map[string]string{
	"tools": "the linters' dependencies must not take part in choosing versions",
}

// A directive is a line of a go.mod or go.work file.
type directive struct {
	verb string   // module, go, require, replace, use, ...
	args []string // the words after it
	line int
}

// directives reads a go.mod or go.work file, blocks unfolded.
func directives(lines []string) []directive {
	var all []directive
	block := ""
	for i, text := range lines {
		text, _, _ = strings.Cut(text, "//")
		words := strings.Fields(text)
		switch {
		case len(words) == 0:
		case words[0] == ")":
			block = ""
		case block != "":
			all = append(all, directive{block, words, i + 1})
		case len(words) == 2 && words[1] == "(":
			block = words[0]
		case len(words) > 1:
			all = append(all, directive{words[0], words[1:], i + 1})
		}
	}
	return all
}

// rootRequirements finds what the root module requires beyond rootMayRequire.
func rootRequirements(t *tree) (findings []string) {
	if !t.isFile("go.mod") {
		return []string{"go.mod does not exist"}
	}
	for _, d := range directives(t.lines("go.mod")) {
		if d.verb == "require" && rootMayRequire[d.args[0]] == "" {
			findings = append(findings, at("go.mod", d.line, "requires %s: users would inherit it", d.args[0]))
		}
	}
	return findings
}

// A workModule is a module that go.work uses.
type workModule struct {
	folder, file string
	all          []directive
}

// first returns the first argument of the first directive with a verb.
func (m workModule) first(verb string) string {
	for _, d := range m.all {
		if d.verb == verb {
			return d.args[0]
		}
	}
	return ""
}

// modulesFit finds modules that do not fit the workspace: their names, their
// versions of Go and of what they require, and what they replace.
func modulesFit(t *tree) (findings []string) {
	var modules []workModule
	var root workModule
	paths := make(map[string]string)        // of modules, by folder
	rootVersions := make(map[string]string) // by module
	work := directives(t.lines("go.work"))
	for _, d := range work {
		if d.verb != "use" {
			continue
		}
		folder := path.Clean(d.args[0])
		m := workModule{folder: folder, file: path.Join(folder, "go.mod")}
		if !t.isFile(m.file) {
			findings = append(findings, at("go.work", d.line, "no %s", m.file))
			continue
		}
		m.all = directives(t.lines(m.file))
		modules = append(modules, m)
		paths[folder] = m.first("module")
		if folder == "." {
			root = m
		}
	}
	for _, d := range root.all {
		if d.verb == "require" {
			rootVersions[d.args[0]] = d.args[len(d.args)-1]
		}
	}

	for _, d := range work {
		if d.verb == "replace" {
			findings = append(findings, replaceFindings(t, "go.work", ".", d)...)
		}
	}
	for _, m := range modules {
		if have, want := m.first("go"), root.first("go"); have != want {
			findings = append(findings, m.file+": go "+have+", the root has "+want)
		}
		for _, d := range m.all {
			switch d.verb {
			case "module":
				if want := path.Join(module, m.folder); d.args[0] != want {
					findings = append(findings, at(m.file, d.line, "module %s, want %s", d.args[0], want))
				}
			case "require":
				if version, is := rootVersions[d.args[0]]; is && d.args[len(d.args)-1] != version {
					findings = append(findings, at(m.file, d.line,
						"requires %s %s, the root %s: in the workspace the root is not tested with its own", d.args[0], d.args[len(d.args)-1], version))
				}
			case "replace":
				if m.folder == "." {
					findings = append(findings, at(m.file, d.line, "the root module replaces %s, which its users would not", d.args[0]))
				}
				findings = append(findings, replaceFindings(t, m.file, m.folder, d)...)
			}
		}
	}

	for _, name := range t.names() {
		folder := path.Dir(name)
		if _, used := paths[folder]; !used && path.Base(name) == "go.mod" && outsideWorkspace[folder] == "" && isGoFolder(folder) {
			findings = append(findings, at(name, 1, "the module is not in go.work"))
		}
	}
	return findings
}

// replaceFindings tells what is wrong with a replace directive: a path that is
// not the folder of the module that is replaced.
func replaceFindings(t *tree, file, folder string, d directive) []string {
	arrow := slices.Index(d.args, "=>")
	if arrow < 0 || arrow+1 >= len(d.args) {
		return []string{at(file, d.line, "a replace without a replacement")}
	}
	by := d.args[arrow+1]
	if !strings.HasPrefix(by, ".") && !strings.HasPrefix(by, "/") {
		return nil // another module, with a version
	}
	target := path.Join(folder, by, "go.mod")
	if path.IsAbs(by) || !t.isFile(target) {
		return []string{at(file, d.line, "replaces %s by %s, which is not the folder of a module here", d.args[0], by)}
	}
	if have := (workModule{all: directives(t.lines(target))}).first("module"); have != d.args[0] {
		return []string{at(file, d.line, "replaces %s by %s, which is %s", d.args[0], by, have)}
	}
	return nil
}
