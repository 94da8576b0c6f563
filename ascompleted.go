package futures

import (
	"context"
	"iter"
)

// AsCompleted yields every future exactly once, in the order in which they were
// done: while ctx lasts as they become done, those that were done before first.
// Once ctx has ended it yields the others too, in the order given, whose
// Result(ctx) is then a *WaitError. So a loop never ends short in silence.
//
// A future given twice counts once. Leaving the loop early leaves nothing
// behind. For futures of different types use []Handle. AsCompleted panics if a
// future is nil.
func AsCompleted[F Handle](ctx context.Context, fs ...F) iter.Seq[F] {
	fs = distinct("futures.AsCompleted", fs)
	return func(yield func(F) bool) {
		tasks := make([]*Task, len(fs))
		for i, f := range fs {
			tasks[i] = f.base()
		}
		in := newInbox(tasks)
		defer in.close()
		yielded := make([]bool, len(fs))
		for range fs {
			i, err := in.await(ctx)
			if err != nil {
				break // ctx has ended, or a wait cycle: Result of what is left says which
			}
			yielded[i] = true
			if !yield(fs[i]) {
				return
			}
		}
		for i, f := range fs {
			if !yielded[i] && !yield(f) {
				return
			}
		}
	}
}
