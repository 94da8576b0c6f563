package harness

import (
	"context"
	"fmt"
)

// A System is what questions are asked of: this library, a peer, or a bare
// mechanism that serves as a floor.
type System struct {
	// Name is what -only takes and what a line of JSON has: lower case, no spaces,
	// unique in the group.
	Name string
	// About is one line: what is used of the system, and how.
	About string
	// Ours marks this library. The first such system of a group that answers a
	// question is what the others are compared with.
	Ours bool
	// Heavy marks what takes seconds to start: -quick leaves it out.
	Heavy bool
	// Find returns the version of the system, or the reason why it cannot be used
	// here; one that Broken made is a failure. It is called once, in the runner's
	// process, before the first question.
	Find func(ctx context.Context) (version string, missing error)
	// Install gets what Find misses, into CacheDir; nil if there is nothing to get.
	// It is called for -install only, and only if Find has failed.
	Install func(ctx context.Context) error
	// Answers are the questions that the system answers, by their names.
	Answers map[string]Run
	// Declines are reasons for questions that the system cannot be asked, by their
	// names: a line of the table instead of a gap.
	Declines map[string]string
}

// A Run answers a question once. It is called in a process of its own, which is
// placed as the parameters say and does nothing else. It sets up, warms up,
// measures for about p.Time, checks that the work was done, tears down, and
// returns one value for each metric of the question, in their order.
//
// A result that is wrong is an error, and so is work that was not done: an error
// is reported as FAILED and spoils the exit code. A case that the system cannot be
// asked is a Decline.
type Run func(ctx context.Context, p Params) ([]float64, error)

// Broken returns the error of a Find whose system is here, but cannot be used because
// the adapter does not fit it: FAILED, not missing.
func Broken(err error) error { return &broken{err} }

type broken struct{ error }

func (b *broken) Unwrap() error { return b.error }

// Decline returns the error of a Run that cannot be asked this case, as opposed to
// one that failed.
func Decline(format string, args ...any) error {
	return &declined{fmt.Sprintf(format, args...)}
}

type declined struct{ reason string }

func (d *declined) Error() string { return d.reason }
