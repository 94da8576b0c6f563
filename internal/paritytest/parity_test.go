package paritytest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/futures-go/futures/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// groups are those that the table must have by now, with the number of rows of
// the behaviours that were catalogued.
var groups = map[string]int{"F": 28, "W": 11, "AC": 8, "EX": 23, "TP": 11, "IN": 5, "SD": 16, "PP": 27, "DL": 14, "PR": 12, "MP": 9, "Q": 23, "PI": 21, "LK": 31, "SM": 33}

// packages are where the subtests are.
var packages = []string{".", "./gopool", "./procpool", "./ipc"}

func TestEveryRowIsHeld(t *testing.T) {
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	tested, notApplicable := rows(string(text))
	count := make(map[string]int)
	for _, id := range append(slices.Clone(tested), notApplicable...) {
		group, _, _ := strings.Cut(id, "-")
		count[group]++
	}
	for group, n := range groups {
		if count[group] != n {
			t.Errorf("group %s has %d rows, want %d", group, count[group], n)
		}
	}

	test := exec.Command("go", append([]string{"test", "-short", "-v", "-run", "/"}, packages...)...)
	test.Dir = "../.."
	out, err := test.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", test.Args, err, out)
	}
	ids := passed(string(out))
	for _, id := range tested {
		if !ids[id] {
			t.Errorf("no subtest of %v passes that begins with %s", packages, id)
		}
		delete(ids, id)
	}
	for id := range ids {
		t.Errorf("a subtest begins with %s, which the table does not have or calls n/a", id)
	}
}

func TestRows(t *testing.T) {
	tested, notApplicable := rows("# x\n| id | Python | here | |\n| F-01 | a | b | same |\n| F-02 | a | | n/a: no |\ntext F-03\n")
	if !slices.Equal(tested, []string{"F-01"}) || !slices.Equal(notApplicable, []string{"F-02"}) {
		t.Errorf("got %v and %v", tested, notApplicable)
	}
}

func TestPassed(t *testing.T) {
	ids := passed("=== RUN   T/F-01_x\n    --- PASS: T/F-02_y (0.00s)\n    --- FAIL: T/F-03_z (0.00s)\n        --- PASS: T/map/SD-08_SD-09_q (0.1s)\n    --- SKIP: T/F-04_z (0.00s)\n")
	if len(ids) != 3 || !ids["F-02"] || !ids["SD-08"] || !ids["SD-09"] {
		t.Errorf("got %v", ids)
	}
}
