package repotest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
)

// A goFile is a file of Go that the go command would build for some system.
type goFile struct {
	name, folder string
	test         bool
	fset         *token.FileSet
	*ast.File
}

func (f goFile) line(n ast.Node) int { return f.fset.Position(n.Pos()).Line }

// goFiles returns the files of Go that can be parsed; goParses tells of the rest.
func (t *tree) goFiles() []goFile {
	if t.parsed != nil || t.broken != nil {
		return t.parsed
	}
	for _, name := range t.names() {
		if path.Ext(name) != ".go" || !isGoFolder(path.Dir(name)) {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, t.text[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.broken = append(t.broken, err.Error())
			continue
		}
		t.parsed = append(t.parsed, goFile{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), fset, file})
	}
	return t.parsed
}

// goParses finds files of Go that the other rules cannot read. The compiler may
// have seen none of them, as each is built for some systems only.
func goParses(t *tree) []string {
	t.goFiles()
	return t.broken
}

// isGoFolder reports whether the go command looks into a folder.
func isGoFolder(folder string) bool {
	return folder == "." || !slices.ContainsFunc(strings.Split(folder, "/"), func(element string) bool {
		return element == "testdata" || element == "vendor" || strings.HasPrefix(element, "_") || strings.HasPrefix(element, ".")
	})
}

// byFolder groups files.
func byFolder(files []goFile) (folders []string, all map[string][]goFile) {
	all = make(map[string][]goFile)
	for _, f := range files {
		all[f.folder] = append(all[f.folder], f)
	}
	return slices.Sorted(maps.Keys(all)), all
}

// isSelector reports whether n is x.name, or x.anything if name is empty.
func isSelector(n ast.Node, x, name string) bool {
	s, is := n.(*ast.SelectorExpr)
	if !is || name != "" && s.Sel.Name != name {
		return false
	}
	id, is := s.X.(*ast.Ident)
	return is && id.Name == x
}

// matches reports whether a path is what a pattern says: x, or x/... for x and
// all below, or ... for everything.
func matches(pattern, path string) bool {
	prefix, deep := strings.CutSuffix(pattern, "...")
	if !deep {
		return path == pattern
	}
	return prefix == "" || path == strings.TrimSuffix(prefix, "/") || strings.HasPrefix(path, prefix)
}
