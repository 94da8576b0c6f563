package repotest

var invariantRules = []rule{
	{
		name:  "invariants are held",
		check: invariantsHeld,
		samples: []sample{
			{files{"a/doc.go": "// Package a has:\n//\n// R1: one.\n//\n//   - R2: two.\npackage a", "a/a_test.go": "package a\n// R1 and (R2)."}, ""},
			{files{"a/a.go": "// Package a\n//\n// R1: one.\npackage a\nfunc f() { assert.That(true, \"R1: %d\", 1) }"}, ""},
			{files{"a/a.go": "// Package a\n//\n// R1: one.\npackage a\nfunc f() { panic(\"R1\") }"}, ""},
			{files{"a/a.go": "// Package a\n//\n// R1: one.\n// R2: two.\npackage a\n\n// f rests on that (R1, R2).\nfunc f() {}"}, ""},
			{files{"a/a.go": "// Package a\n//\n// R1: one.\npackage a\n// R1", "b/b.go": "package b\n// As package a says (R1)."}, ""},
			{files{"a/doc.go": "// Package a shows code:\n//\n//\tR1: one\npackage a"}, ""},
			{files{"a/a.go": "package a\nvar x = f(T1) // a call f(T1), SHA256 (FIPS 180), (Linux 6)\n"}, ""},
			{files{"a/doc.go": "/*\nPackage a\n\nR1: one.\n*/\npackage a"}, "a/doc.go:4: no test, assertion or comment in the folder cites R1"},
			{files{"a/doc.go": "// Package a rests on R1.\n//\n// R1: one.\npackage a"}, "a/doc.go:3: no test"},
			{files{"a/doc.go": "// Package a\n//\n// R1: one.\npackage a", "b/b_test.go": "package b\n// R1"}, "cites R1"},
			{files{"a/doc.go": "// Package a\n//\n// R1: one.\npackage a\nvar s = \"R1: not an assertion\""}, "cites R1"},
			{files{"a/doc.go": "// Package a\n//\n// R1: one.\npackage a", "a/a_test.go": "package a\n// R11, xR1"}, "cites R1"},
			{files{"a/doc.go": "// Package a\n//\n//   - R1: one.\n//   - R1: two.\npackage a", "a/a_test.go": "package a\n// R1"}, "a/doc.go:4: R1 is defined twice"},
			{files{"a/a.go": "package a\nfunc f() { assert.That(true, \"R7: %d\", 1) }"}, "a/a.go:2: cites R7, which no package doc defines"},
			{files{"a/a.go": "package a\n\n// f is good,\n// always (R7).\nfunc f() {}"}, "a/a.go:4: cites R7"},
			{files{"a/a_test.go": "package a\n/* f\n(R7, R8) */\n"}, "a/a_test.go:3: cites R7\na/a_test.go:3: cites R8"},
		},
	},
}
