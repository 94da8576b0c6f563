package repotest

import (
	"go/ast"
	"path"
	"strings"
)

// fuzzSeeded finds fuzz targets that start with nothing: with no call of Add, in the target or
// in a function of its folder that it hands its *testing.F to, and no file in the folder that
// the go command reads seeds from.
func fuzzSeeded(t *tree) (findings []string) {
	folders, all := byFolder(t.goFiles())
	for _, folder := range folders {
		adds := make(map[string]bool) // functions that add seeds
		for _, f := range all[folder] {
			eachFuzzer(f, func(fn *ast.FuncDecl, param string) { adds[fn.Name.Name] = callsAdd(fn, param, nil) })
		}
		for _, f := range all[folder] {
			eachFuzzer(f, func(fn *ast.FuncDecl, param string) {
				if f.test && strings.HasPrefix(fn.Name.Name, "Fuzz") && !callsAdd(fn, param, adds) && !t.has(path.Join(folder, "testdata/fuzz", fn.Name.Name)) {
					findings = append(findings, at(f.name, f.line(fn), "%s has no seeds", fn.Name.Name))
				}
			})
		}
	}
	return findings
}

// eachFuzzer calls do for each function whose first parameter is a *testing.F, with its name.
func eachFuzzer(f goFile, do func(fn *ast.FuncDecl, param string)) {
	for _, d := range f.Decls {
		fn, is := d.(*ast.FuncDecl)
		if !is || fn.Recv != nil || fn.Body == nil || len(fn.Type.Params.List) == 0 {
			continue
		}
		first := fn.Type.Params.List[0]
		if star, is := first.Type.(*ast.StarExpr); is && isSelector(star.X, "testing", "F") && len(first.Names) > 0 {
			do(fn, first.Names[0].Name)
		}
	}
}

// callsAdd reports whether fn calls param.Add, or hands param to one of the functions.
func callsAdd(fn *ast.FuncDecl, param string, functions map[string]bool) (calls bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is || len(call.Args) == 0 {
			return !calls
		}
		name, plain := call.Fun.(*ast.Ident)
		arg, handed := call.Args[0].(*ast.Ident)
		calls = calls || isSelector(call.Fun, param, "Add") || plain && handed && arg.Name == param && functions[name.Name]
		return !calls
	})
	return calls
}
