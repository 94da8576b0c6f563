package repotest

import (
	"go/ast"
	"path"
)

// noLeakCheck are folders whose tests need not look for leaks.
var noLeakCheck = map[string]string{
	"internal/assert":    "nothing there could be left behind",
	"internal/leakcheck": "leaks on purpose",
}

// leaksChecked finds folders of the root module whose tests do not end with the
// leak check.
func leaksChecked(t *tree) (findings []string) {
	folders, all := byFolder(t.goFiles())
	for _, folder := range folders {
		tests, checked := false, false
		for _, f := range all[folder] {
			tests = tests || f.test
			ast.Inspect(f.File, func(n ast.Node) bool {
				checked = checked || f.test && isSelector(n, "leakcheck", "Main")
				return !checked
			})
		}
		if tests && !checked && noLeakCheck[folder] == "" && inRootModule(t, folder) {
			findings = append(findings, folder+": no TestMain calls leakcheck.Main")
		}
	}
	return findings
}

// inRootModule reports whether no go.mod other than the root's is above a folder.
func inRootModule(t *tree, folder string) bool {
	for ; folder != "."; folder = path.Dir(folder) {
		if t.isFile(path.Join(folder, "go.mod")) {
			return false
		}
	}
	return true
}
