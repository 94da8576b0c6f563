package repotest

import (
	"path"
	"strconv"
	"strings"
)

// module is the path of the root module; the others are below it.
const module = "github.com/futures-go/futures"

// mayImport tells what the files of a folder, other than tests, import. The
// standard library goes without saying, but for package testing; x/... is x and
// what is below it; a minus takes something out again. The first entry that
// matches a folder counts, and each folder needs one.
var mayImport = []struct {
	folder string
	paths  []string
	reason string
}{
	{".", []string{module + "/internal/assert"}, "the contract brings no executor along, and no platform code"},
	{"inspect", nil, "data only: whoever reads it inherits nothing"},
	{"gopool", []string{module, module + "/inspect", module + "/internal/..."}, "an executor knows the contract and no other executor"},
	{"procpool", []string{module, module + "/inspect", module + "/internal/..."}, "as gopool; the encoding and the system calls are behind packages of their own"},
	{"ipc", []string{module + "/internal/..."}, "objects know the memory and the encoding, and neither tasks nor executors"},
	{"wire", []string{module + "/internal/codec"}, "what a program registers to travel; the rest of the codec may change"},
	{"executortest", []string{module, module + "/inspect", module + "/internal/..."}, "a suite for all executors knows none"},
	{"cluster/internal/envelope", []string{module, module + "/internal/codec", module + "/internal/remote"}, "bytes of messages: neither connections nor executors"},
	{"internal/codec", []string{module, module + "/internal/...", "github.com/fxamacker/cbor/v2"}, "the one place that knows the encoding"},
	{"internal/...", []string{module, module + "/inspect", module + "/internal/...", "golang.org/x/sys/..."}, "system calls stay in small leaves"},
	{"cluster/internal/stream", []string{"github.com/nats-io/nats.go/...", "github.com/nats-io/nuid"}, "the engine knows nothing of tasks"},
	{"cluster/...", []string{module + "/...", "github.com/nats-io/..."}, "the executor on the engine, and its server"},
	{"bench/...", []string{"..."}, "the peers, of which users of the library inherit none; and internal packages, to measure them"},
	{"examples/...", []string{"...", "-" + module + "/internal/..."}, "examples use what their readers can use"},
}

// mayImportTesting are libraries for tests, beside the packages below internal
// whose names end in test.
var mayImportTesting = map[string]string{
	"executortest":       "the suite is public, so that others can test their executors",
	"internal/leakcheck": "it is called in TestMain",
}

// importsAllowed finds imports that mayImport and mayImportTesting do not list.
func importsAllowed(t *tree) (findings []string) {
	unlisted := make(map[string]bool)
	for _, f := range t.goFiles() {
		if f.test {
			continue
		}
		patterns, listed := importPatterns(f.folder)
		if !listed {
			if !unlisted[f.folder] {
				findings = append(findings, f.folder+": no entry in the table of imports, mayImport")
			}
			unlisted[f.folder] = true
			// Without an entry nothing but the standard library is allowed.
		}
		for _, spec := range f.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			table := "mayImport"
			host, _, _ := strings.Cut(imported, "/")
			allowed := !strings.Contains(host, ".")
			for _, pattern := range patterns {
				if pattern, minus := strings.CutPrefix(pattern, "-"); matches(pattern, imported) {
					allowed = !minus
				}
			}
			if matches("testing/...", imported) {
				allowed, table = isForTests(f.folder), "mayImportTesting"
			}
			if !allowed && (listed || table == "mayImportTesting") {
				findings = append(findings, at(f.name, f.line(spec), "imports %s, which the table %s does not list for %s", imported, table, f.folder))
			}
		}
	}
	return findings
}

// importPatterns returns the paths of a folder's entry in mayImport.
func importPatterns(folder string) (patterns []string, listed bool) {
	for _, entry := range mayImport {
		if matches(entry.folder, folder) {
			return entry.paths, true
		}
	}
	return nil, false
}

// isForTests reports whether a folder's package may import package testing.
func isForTests(folder string) bool {
	below := strings.HasPrefix(folder, "internal/") || strings.Contains(folder, "/internal/")
	return mayImportTesting[folder] != "" || below && strings.HasSuffix(path.Base(folder), "test")
}

// unsafeNames finds files that import unsafe and whose names do not say so. Tests
// count, and so do files that need it for a go:linkname directive only.
func unsafeNames(t *tree) (findings []string) {
	for _, f := range t.goFiles() {
		for _, spec := range f.Imports {
			if spec.Path.Value == `"unsafe"` && !strings.Contains(path.Base(f.name), "unsafe") {
				findings = append(findings, at(f.name, f.line(spec), "imports unsafe, and its name does not say so"))
			}
		}
	}
	return findings
}
