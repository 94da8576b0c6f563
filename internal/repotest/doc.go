// Package repotest holds the rules of this repository as tests: facts about the
// tree that no compiler checks and that prose would let rot. Nothing imports it.
//
// A rule is a function that takes a tree and returns the places where the rule
// does not hold. The tests apply each to the repository and to small samples that
// break it, so that no rule is a test that cannot fail. What a rule allows as an
// exception stands in a table beside it, with the reason.
//
// # Invariant labels
//
// A line of a package's doc that begins with a label and a colon defines an
// invariant. The label is one or two capital letters and a number. Spaces and a
// dash may come before it, but no tab: code shown in a doc defines nothing.
//
//	R1: no lock is held while user code runs.
//
// A label must be cited, as a word, in the same folder: in a test file, in a
// comment that is not the package's doc, or in what an assertion says (the strings
// given to package assert or to panic). A comment that cites a label alone in
// parentheses, and an assertion that begins with one, must find it defined, there
// or in the doc of another package.
//
// # Programs and excerpts
//
// A block of Go in README.md or docs/guide names its source in an HTML comment on
// the line before it. A whole program equals its file under examples. An excerpt
// stands in its file without a gap, indented by any amount; a line of three dots,
// bare or in a comment, is any number of lines.
//
//	<!-- program: examples/first/main.go -->
//	<!-- excerpt: gopool/example_test.go -->
package repotest
