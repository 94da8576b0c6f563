package repotest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// A rule is something that holds for the whole tree.
type rule struct {
	name    string
	check   func(*tree) []string // the places where the rule does not hold
	program string               // what check runs, if anything
	samples []sample
}

// A sample is a small tree with what a rule finds in it: a piece of each finding,
// on lines of their own; nothing if want is empty.
type sample struct {
	files files
	want  string
}

// files are contents by path. A path that ends with a star is executable.
type files map[string]string

func (f files) tree(t *testing.T) *tree {
	t.Helper()
	fsys := make(fstest.MapFS)
	for name, text := range f {
		mode := os.FileMode(0o644)
		if bare, executable := strings.CutSuffix(name, "*"); executable {
			name, mode = bare, 0o755
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text), Mode: mode}
	}
	tree, err := readTree(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

var rules = slices.Concat(moduleRules, packageRules, invariantRules, markdownRules, textRules)

// TestRepository applies each rule to the repository.
func TestRepository(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	repository, err := readTree(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go.mod", "doc.go", ".ci/run", "internal/repotest/doc.go"} {
		if !repository.isFile(name) {
			t.Errorf("%s is not in the tree", name)
		}
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			need(t, rule.program)
			for _, finding := range rule.check(repository) {
				t.Error(finding)
			}
		})
	}
}

// TestSamples applies each rule to its samples, of which one must break it.
func TestSamples(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			need(t, rule.program)
			broken := false
			for i, sample := range rule.samples {
				var want []string
				if sample.want != "" {
					want = strings.Split(sample.want, "\n")
					broken = true
				}
				if got := rule.check(sample.files.tree(t)); !slices.EqualFunc(got, want, strings.Contains) {
					t.Errorf("sample %d: got %q, want %q", i, got, want)
				}
			}
			if !broken {
				t.Error("no sample breaks this rule")
			}
		})
	}
}

// need skips a test whose program is missing, but never in CI.
func need(t *testing.T, program string) {
	t.Helper()
	if program == "" {
		return
	}
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("FUTURES_CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestReadTree tells which files a tree has.
func TestReadTree(t *testing.T) {
	tree := files{"a": "x\r\ny\n", "b/c": "", ".ci/run*": "", ".github/w": "", ".git/config": "", "b/.bin/x": "", ".gitignore": ""}.tree(t)
	if got, want := strings.Join(tree.names(), " "), ".ci/run .github/w .gitignore a b/c"; got != want {
		t.Errorf("the tree has %s, want %s", got, want)
	}
	if !tree.has(".") || !tree.has("b") || !tree.has("b/c") || tree.has("b/") || tree.has("c") {
		t.Error("has is wrong")
	}
	if got := tree.lines("a"); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("lines are %q", got)
	}
}
