package repotest

var moduleRules = []rule{
	{
		name:  "root module needs little",
		check: rootRequirements,
		samples: []sample{
			{files{"go.mod": "module m\n\nrequire (\n\tgolang.org/x/sys v0.1.0\n\tgithub.com/x448/float16 v0.8.4 // indirect\n)\n"}, ""},
			{files{}, "go.mod does not exist"},
			{files{"go.mod": "module m\n\nrequire github.com/stretchr/testify v1.10.0\n"}, "go.mod:3: requires github.com/stretchr/testify"},
			{files{"go.mod": "module m\n\nrequire (\n\tgolang.org/x/sync v0.1.0 // indirect\n)\n"}, "go.mod:4: requires golang.org/x/sync"},
			{files{"go.mod": "module m\n\nrequire github.com/fxamacker/cbor v1.5.1\n"}, "go.mod:3: requires github.com/fxamacker/cbor:"},
		},
	},
	{
		name:  "modules fit together",
		check: modulesFit,
		samples: []sample{
			{workspace(""), ""},
			{workspace("", "require "+module+" v0.0.0", "replace "+module+" => ../"), ""},
			{workspace("", "require e.com/m v1.0.0", "replace e.com/m => e.com/fork v1.0.0"), ""},
			{files{"go.work": "use ./x"}, "go.work:1: no x/go.mod"},
			{files{"go.work": "use .\n", "go.mod": "module e.com/x\n"}, "go.mod:1: module e.com/x, want " + module},
			{files{"go.work": "use .\nuse ./x\n", "go.mod": "module " + module + "\ngo 1.26.0\n", "x/go.mod": "module " + module + "/x\ngo 1.26.1\n"},
				"x/go.mod: go 1.26.1, the root has 1.26.0"},
			{workspace("", "replace "+module+" => ../y"), "x/go.mod:3: replaces " + module + " by ../y, which is not the folder of a module"},
			{workspace("", "replace "+module+" => /tmp/futures"), "x/go.mod:3: replaces " + module + " by /tmp/futures, which is not"},
			{workspace("", "replace e.com/m => ../"), "x/go.mod:3: replaces e.com/m by ../, which is " + module},
			{workspace("", "replace e.com/m"), "x/go.mod:3: a replace without a replacement"},
			{workspace("replace e.com/m => ./m"), "go.mod:3: the root module replaces\ngo.mod:3: replaces e.com/m by ./m"},
			{workspace("require e.com/m v1.0.0", "require e.com/m v1.1.0"), "x/go.mod:3: requires e.com/m v1.1.0, the root v1.0.0"},
			{files{"go.work": "use .\nreplace e.com/m => ./m\n", "go.mod": "module " + module + "\n"}, "go.work:2: replaces e.com/m by ./m"},
			{files{"go.work": "use .\n", "go.mod": "module " + module + "\n", "x/y/go.mod": "module " + module + "/x/y\n"}, "x/y/go.mod:1: the module is not in go.work"},
			{files{"go.work": "use .\n", "go.mod": "module " + module + "\n", "tools/go.mod": "", "testdata/go.mod": ""}, ""},
		},
	},
}

// workspace makes a sample: a root module with a directive of its own, and a
// module ./x with more of them.
func workspace(root string, x ...string) files {
	f := files{
		"go.work":  "go 1.26.0\n\nuse (\n\t.\n\t./x // the other\n)\n",
		"go.mod":   "module " + module + "\ngo 1.26.0\n" + root + "\n",
		"x/go.mod": "module " + module + "/x\ngo 1.26.0\n",
	}
	for _, directive := range x {
		f["x/go.mod"] += directive + "\n"
	}
	return f
}
