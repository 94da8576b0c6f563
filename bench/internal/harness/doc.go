// Package harness asks systems questions about their speed, side by side: it runs
// adapters, repeats and interleaves the runs, sees to their placement on cores,
// watches what others do to the machine meanwhile, and makes results of it.
//
// # How to write an adapter
//
// A folder of adapters has a function that returns a [Group]: its questions in
// questions.go, and a list of systems. Nothing registers itself. An adapter is one
// file that returns a [System], used as the peer's own documentation recommends:
//
//	func errgroups() harness.System {
//		return harness.System{
//			Name:  "errgroup",
//			About: "errgroup.Group with SetLimit, Go, Wait",
//			Find:  harness.Module("golang.org/x/sync"),
//			Answers: map[string]harness.Run{
//				"empty-task": func(ctx context.Context, p harness.Params) ([]float64, error) { ... },
//			},
//			Declines: map[string]string{"queued-memory": "blocks instead of queueing"},
//		}
//	}
//
// A [Run] is called in a process of its own, a child of the runner that is this very
// program, started again and already placed on its cores. So an adapter may fill the
// heap, start servers and crash without harm to others, and a run pays for its own
// warm-up: set up, warm up, measure for about Params.Time, check, tear down, return
// one value for each metric. Whatever it prints goes to standard error and is shown
// if it fails. Processes that it leaves behind are waited for, then killed.
//
// The work must be checked in the run that is measured: count what ran, add up what
// came back. An error is a failure of the benchmark, also when only the peer is to
// blame. [Decline] is for what a system cannot be asked, with the reason.
//
// A peer in another language is a program that measures itself, called with
// [Measure], or a [PythonScript], a [Java] program, a [Crate]; a peer that need not be there is looked for by Find: [Module], [Go],
// [Program], [PythonStdlib], [PythonPackage], [Java], [Crate]. What has to be
// fetched is fetched by Install, into [CacheDir], when the user says -install.
//
// If an adapter starts this program again for a role of its own (a server, a
// worker), the role is told by an environment variable and played by Group.Serve,
// which is called first in every process.
//
// # What is measured how
//
// Each run of a system is one value of a metric; a result is the median over the
// repetitions, with the least and the most. Two rules keep the comparison fair:
//
// B1: repetitions of the systems interleave, A B A B, so that a change of the
// machine's mood meets all of them.
//
// B2: a repetition during which others used more than [DisturbedAbove] cores is
// repeated, and counted as disturbed only when no attempt is left.
//
// What others use of the processors is the busy time of /proc/stat without that of
// this process and of its descendants, all of which it inherits and waits for. That
// clock ticks a hundred times a second: disturbances of less than two ticks go
// unseen. Elsewhere than on Linux nothing is known of others, and runs are not
// placed.
package harness
