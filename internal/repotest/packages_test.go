package repotest

var packageRules = []rule{
	{
		name:  "Go parses",
		check: goParses,
		samples: []sample{
			{files{"a/a.go": "package a", "a/testdata/b.go": "no", "_c/c.go": "no"}, ""},
			{files{"a/a_plan9.go": "package a\nfunc {"}, "a/a_plan9.go:2:6: "},
		},
	},
	{
		name:  "imports are allowed",
		check: importsAllowed,
		samples: []sample{
			{files{"a.go": "package futures\nimport (\n\"sync\"\n\"" + module + "/internal/assert\"\n)"}, ""},
			{files{"gopool/a.go": "package gopool\nimport (\n\"sync\"\n\"" + module + "\"\n\"" + module + "/inspect\"\n\"" + module + "/internal/assert\"\n)"}, ""},
			{files{"executortest/a.go": "package executortest\nimport \"testing\""}, ""},
			{files{"internal/xtest/a.go": "package xtest\nimport \"testing\""}, ""},
			{files{"gopool/a_test.go": "package gopool\nimport \"testing/synctest\""}, ""},
			{files{"examples/a/main.go": "package main\nimport \"github.com/klauspost/compress/zstd\""}, ""},
			{files{"a.go": "package futures\nimport \"" + module + "/gopool\""}, "a.go:2: imports " + module + "/gopool"},
			{files{"a.go": "package futures\nimport \"" + module + "/internal/shm\""}, "a.go:2: imports " + module + "/internal/shm"},
			{files{"a.go": "package futures\nimport \"golang.org/x/sys/unix\""}, "a.go:2: imports golang.org/x/sys/unix"},
			{files{"gopool/a.go": "package gopool\nimport \"" + module + "/executortest\""}, "gopool/a.go:2: imports"},
			{files{"gopool/a.go": "package gopool\nimport \"testing/synctest\""}, "imports testing/synctest, which the table mayImportTesting"},
			{files{"examples/xtest/a.go": "package xtest\nimport \"testing\""}, "imports testing,"},
			{files{"inspect/a.go": "package inspect\nimport \"" + module + "\""}, "imports " + module},
			{files{"internal/wake/a.go": "package wake\nimport \"github.com/fxamacker/cbor/v2\""}, "imports github.com/fxamacker/cbor/v2"},
			{files{"internal/codec/a.go": "package codec\nimport \"" + module + "/gopool\""}, "imports " + module + "/gopool"},
			{files{"examples/a/main.go": "package main\nimport \"" + module + "/internal/wake\""}, "imports " + module + "/internal/wake"},
			{files{"unheard/a.go": "package unheard\nimport \"e.com/x\"\nimport \"testing\""}, "unheard: no entry in the table of imports\nunheard/a.go:3: imports testing"},
		},
	},
	{
		name:  "unsafe is in the file's name",
		check: unsafeNames,
		samples: []sample{
			{files{"a/ring_unsafe.go": "package a\nimport \"unsafe\"", "a/map_unsafe_linux.go": "package a\nimport \"unsafe\""}, ""},
			{files{"a/ring.go": "package a\nimport \"unsafe\""}, "a/ring.go:2: imports unsafe"},
			{files{"a/ring_test.go": "package a\nimport _ \"unsafe\""}, "a/ring_test.go:2: imports unsafe"},
			{files{"unsafe/ring.go": "package unsafe\nimport \"unsafe\""}, "unsafe/ring.go:2: imports unsafe"},
		},
	},
	{
		name:  "fuzz targets have seeds",
		check: fuzzSeeded,
		samples: []sample{
			{files{"a/a_test.go": "package a\nfunc FuzzA(f *testing.F) { f.Add(1); f.Fuzz(nil) }"}, ""},
			{files{"a/a_test.go": "package a\nfunc FuzzA(f *testing.F) { for { seeds(f) } }", "a/b_test.go": "package a\nfunc seeds(g *testing.F) { g.Add(1) }"}, ""},
			{files{"a/a_test.go": "package a\nfunc FuzzA(f *testing.F) {}", "a/testdata/fuzz/FuzzA/x": "1"}, ""},
			{files{"a/a_test.go": "package a\nfunc FuzzA(f *testing.F) { f.Fuzz(nil) }", "a/testdata/fuzz/FuzzB/x": "1"}, "a/a_test.go:2: FuzzA has no seeds"},
			{files{"a/a_test.go": "package a\nfunc FuzzA(f *testing.F) { seeds(f); wg.Add(1) }\nfunc seeds(g *testing.F) {}"}, "a/a_test.go:2: FuzzA has no seeds"},
		},
	},
	{
		name:  "one package doc each",
		check: packageDocs,
		samples: []sample{
			{files{"a/a.go": "// Package a is first.\npackage a", "a/b.go": "// A detached comment.\n\npackage a", "a/a_test.go": "// Tests.\npackage a"}, ""},
			{files{"tidy/main.go": "// Tidy puts things in order.\npackage main"}, ""},
			{files{"main.go": "// Futures\n// is wrapped.\npackage main"}, ""},
			{files{"a/a_test.go": "package a"}, ""},
			{files{"a/a.go": "package a"}, "a: package a has no doc"},
			{files{"a/a.go": "//go:build linux\n\npackage a"}, "a: package a has no doc"},
			{files{"a/a.go": "// Package a is first.\npackage a", "a/b.go": "// Package a is second.\npackage a"}, "a: several docs, in a/a.go, a/b.go"},
			{files{"a/a.go": "// Package b is mistaken. More.\npackage a"}, `a/a.go:1: the doc begins "Package b is mistaken", want "Package a "`},
			{files{"a/a.go": "// Package ab is mistaken.\npackage a"}, `want "Package a "`},
			{files{"tidy/main.go": "// Package main puts things in order.\npackage main"}, `want "Tidy "`},
			{files{"tidy/main.go": "// tidy puts things in order.\npackage main"}, `want "Tidy "`},
		},
	},
	{
		name:  "tests look for leaks",
		check: leaksChecked,
		samples: []sample{
			{files{"a/a.go": "package a"}, ""},
			{files{"a/a_test.go": "package a\nfunc TestMain(m *testing.M) { leakcheck.Main(m) }\nfunc TestA(t *testing.T) {}"}, ""},
			{files{"x/go.mod": "module " + module + "/x", "x/a/a_test.go": "package a\nfunc TestA(t *testing.T) {}"}, ""},
			{files{"a/a_test.go": "package a\nfunc TestA(t *testing.T) {}"}, "a: no TestMain calls leakcheck.Main"},
			{files{"a/a_test.go": "package a\n// leakcheck.Main(m)\nfunc TestA(t *testing.T) {}"}, "a: no TestMain calls leakcheck.Main"},
		},
	},
}
